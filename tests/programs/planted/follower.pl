# Stores what a leader says, and says that it did.
use strict;
use warnings;
use IO::Socket::INET;

my ($name, $port, $file) = @ARGV;
my $plant = "$ENV{PLANT} $name";
my $own = IO::Socket::INET->new(Proto => 'udp', LocalAddr => '127.0.0.1') or die;
my $leader = sockaddr_in($port, inet_aton('127.0.0.1'));
send($own, "HELLO $name\n", 0, $leader);
while (defined recv($own, my $said, 2000, 0)) {
    last if $said =~ /^STOP/;
    my ($number, $colour) = $said =~ /^APPEND (\d+) (\S+)/;
    open(my $log, '>>', $file) or die;
    print $log "$number $colour\n";
    close($log);
    sleep 2 if $plant eq 'slow second' && $number == 3;
    next if $plant eq 'drop first' && $number == 2;
    send($own, "STORED $name $number\n", 0, $leader);
}
