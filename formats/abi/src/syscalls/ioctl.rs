//! What lies behind ioctl's third argument.
//!
//! Newer requests say it themselves: direction and size stand in their number (`_IOR`, `_IOW`,
//! uapi/asm-generic/ioctl.h). [`REQUESTS`] holds those that do not, those whose number does not
//! tell the truth, and some that deserve a name. Structs that hold pointers are marked so that
//! nobody takes them for flat ones. Drivers outside this table (USB, DRM, sound, KVM) may hide
//! pointers in structs whose number looks flat.

use super::Arg::{Fd, In, InOut, Int, Out};
use super::{Arg, Blocks, Len};

/// What the third argument is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Behind {
    /// One flat argument, as a row would say it.
    Arg(Arg),
    /// A head, then as many elements as it says: read, and written when the call succeeds.
    Tail(Tail),
    /// `struct ifconf`, 16 bytes: an int for the room (written: what was filled in), then at byte 8
    /// a pointer to the buffer that is filled; a null one only asks.
    Ifconf,
    /// `struct ifreq`, with a pointer at byte 16 to a struct whose first word says what it is: read and written.
    Ethtool,
    /// A struct of so many bytes, read and written, that holds pointers or whose first byte says
    /// what follows. What the kernel does beyond those bytes is not described, so that a recording
    /// of it is incomplete.
    Pointers(u32),
}

/// A struct with an array at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tail {
    pub head: u32,
    /// Where in the head the number of elements stands, as it was on entry, and in how many bytes.
    pub count_at: u32,
    pub count_bytes: u32,
    pub each: u32,
}

/// One request.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    pub cmd: u32,
    /// Empty when the number alone says what it does.
    pub name: &'static str,
    pub blocks: Blocks,
    pub behind: Behind,
}

/// The request of a number. One that is not in the table is taken by the direction and size in it;
/// without these, its argument is taken for a plain value.
pub fn request(cmd: u32) -> Request {
    if let Ok(at) = REQUESTS.binary_search_by_key(&cmd, |request| request.cmd) {
        return REQUESTS[at];
    }
    Request {
        cmd,
        name: "",
        blocks: Blocks::May,
        behind: Behind::Arg(encoded(cmd)),
    }
}

/// What direction and size in the number say (uapi/asm-generic/ioctl.h): they are the program's
/// point of view, so that `_IOR` is memory that is written.
fn encoded(cmd: u32) -> Arg {
    const WRITE: u32 = 1;
    const READ: u32 = 2;
    let len = Len::Fixed(cmd >> 16 & 0x3fff);
    match cmd >> 30 {
        WRITE => Arg::In(len),
        READ => Arg::Out(len),
        direction if direction == READ | WRITE => Arg::InOut(len),
        _ => Arg::Int,
    }
}

const fn flat(arg: Arg) -> Behind {
    Behind::Arg(arg)
}

/// For requests without an argument: the register holds anything.
const UNUSED: Behind = flat(Int);
const INT: Behind = flat(Int);
const FD: Behind = flat(Fd);
const IFREQ: u32 = 40;

const fn r(bytes: u32) -> Behind {
    flat(In(Len::Fixed(bytes)))
}

const fn w(bytes: u32) -> Behind {
    flat(Out(Len::Fixed(bytes)))
}

const fn rw(bytes: u32) -> Behind {
    flat(InOut(Len::Fixed(bytes)))
}

const fn tail(head: u32, count_at: u32, count_bytes: u32, each: u32) -> Behind {
    Behind::Tail(Tail {
        head,
        count_at,
        count_bytes,
        each,
    })
}

macro_rules! requests {
    ($( $cmd:literal $name:ident $blocks:ident $behind:expr; )*) => {
        /// In ascending order of numbers. `r` is memory that the kernel reads, `w` that it writes.
        pub static REQUESTS: &[Request] = &[$( Request {
            cmd: $cmd,
            name: stringify!($name),
            blocks: Blocks::$blocks,
            behind: $behind,
        } ),*];
    };
}

requests! {
    // Files and block devices (uapi/linux/fs.h).
    0x00000001 FIBMAP                  Never rw(4);
    0x00000002 FIGETBSZ                Never w(4);
    0x00000301 HDIO_GETGEO             Never w(16);
    0x0000125d BLKROSET                Never r(4);
    0x0000125e BLKROGET                Never w(4);
    0x0000125f BLKRRPART               May   UNUSED;
    0x00001260 BLKGETSIZE              Never w(8);
    0x00001261 BLKFLSBUF               May   UNUSED;
    0x00001262 BLKRASET                Never INT;
    0x00001263 BLKRAGET                Never w(8);
    0x00001264 BLKFRASET               Never INT;
    0x00001265 BLKFRAGET               Never w(8);
    0x00001267 BLKSECTGET              Never w(2);
    0x00001268 BLKSSZGET               Never w(4);
    0x00001269 BLKPG                   May   Behind::Pointers(24);
    0x00001277 BLKDISCARD              May   r(16);
    0x00001278 BLKIOMIN                Never w(4);
    0x00001279 BLKIOOPT                Never w(4);
    0x0000127a BLKALIGNOFF             Never w(4);
    0x0000127b BLKPBSZGET              Never w(4);
    0x0000127c BLKDISCARDZEROES        Never w(4);
    0x0000127d BLKSECDISCARD           May   r(16);
    0x0000127e BLKROTATIONAL           Never w(2);
    0x0000127f BLKZEROOUT              May   r(16);
    0x00002282 SG_GET_VERSION_NUM      Never w(4);
    0x00002285 SG_IO                   May   Behind::Pointers(88);
    // Performance events (uapi/linux/perf_event.h).
    0x00002400 PERF_EVENT_IOC_ENABLE   Never INT;
    0x00002401 PERF_EVENT_IOC_DISABLE  Never INT;
    0x00002402 PERF_EVENT_IOC_REFRESH  Never INT;
    0x00002403 PERF_EVENT_IOC_RESET    Never INT;
    0x00002405 PERF_EVENT_IOC_SET_OUTPUT Never FD;
    // Consoles (uapi/linux/kd.h, vt.h).
    0x00004b2f KIOCSOUND               Never INT;
    0x00004b30 KDMKTONE                Never INT;
    0x00004b31 KDGETLED                Never w(1);
    0x00004b32 KDSETLED                Never INT;
    0x00004b33 KDGKBTYPE               Never w(1);
    0x00004b3a KDSETMODE               Never INT;
    0x00004b3b KDGETMODE               Never w(4);
    0x00004b44 KDGKBMODE               Never w(4);
    0x00004b45 KDSKBMODE               Never INT;
    0x00004b46 KDGKBENT                Never rw(4);
    0x00004b62 KDGKBMETA               Never w(4);
    0x00004b63 KDSKBMETA               Never INT;
    0x00004b64 KDGKBLED                Never w(1);
    0x00004b65 KDSKBLED                Never INT;
    // Loop devices (uapi/linux/loop.h).
    0x00004c00 LOOP_SET_FD             Never FD;
    0x00004c01 LOOP_CLR_FD             Never UNUSED;
    0x00004c02 LOOP_SET_STATUS         Never r(168);
    0x00004c03 LOOP_GET_STATUS         Never w(168);
    0x00004c04 LOOP_SET_STATUS64       Never r(232);
    0x00004c05 LOOP_GET_STATUS64       Never w(232);
    0x00004c06 LOOP_CHANGE_FD          Never FD;
    0x00004c07 LOOP_SET_CAPACITY       Never UNUSED;
    0x00004c08 LOOP_SET_DIRECT_IO      Never INT;
    0x00004c09 LOOP_SET_BLOCK_SIZE     Never INT;
    0x00004c0a LOOP_CONFIGURE          Never r(304);
    0x00004c80 LOOP_CTL_ADD            Never INT;
    0x00004c81 LOOP_CTL_REMOVE         Never INT;
    0x00004c82 LOOP_CTL_GET_FREE       Never UNUSED;
    // Terminals (uapi/asm-generic/ioctls.h); the kernel's struct termios has 36 bytes, not libc's 60.
    0x00005401 TCGETS                  Never w(36);
    0x00005402 TCSETS                  Never r(36);
    0x00005403 TCSETSW                 May   r(36);
    0x00005404 TCSETSF                 May   r(36);
    0x00005405 TCGETA                  Never w(18);
    0x00005406 TCSETA                  Never r(18);
    0x00005407 TCSETAW                 May   r(18);
    0x00005408 TCSETAF                 May   r(18);
    0x00005409 TCSBRK                  May   INT;
    0x0000540a TCXONC                  Never INT;
    0x0000540b TCFLSH                  Never INT;
    0x0000540c TIOCEXCL                Never UNUSED;
    0x0000540d TIOCNXCL                Never UNUSED;
    0x0000540e TIOCSCTTY               Never INT;
    0x0000540f TIOCGPGRP               Never w(4);
    0x00005410 TIOCSPGRP               Never r(4);
    0x00005411 TIOCOUTQ                Never w(4);
    0x00005412 TIOCSTI                 Never r(1);
    0x00005413 TIOCGWINSZ              Never w(8);
    0x00005414 TIOCSWINSZ              Never r(8);
    0x00005415 TIOCMGET                Never w(4);
    0x00005416 TIOCMBIS                Never r(4);
    0x00005417 TIOCMBIC                Never r(4);
    0x00005418 TIOCMSET                Never r(4);
    0x00005419 TIOCGSOFTCAR            Never w(4);
    0x0000541a TIOCSSOFTCAR            Never r(4);
    0x0000541b FIONREAD                Never w(4);
    0x0000541c TIOCLINUX               May   Behind::Pointers(1);
    0x0000541d TIOCCONS                Never UNUSED;
    0x0000541e TIOCGSERIAL             Never w(72);
    0x0000541f TIOCSSERIAL             Never r(72);
    0x00005420 TIOCPKT                 Never r(4);
    0x00005421 FIONBIO                 Never r(4);
    0x00005422 TIOCNOTTY               Never UNUSED;
    0x00005423 TIOCSETD                May   r(4);
    0x00005424 TIOCGETD                Never w(4);
    0x00005425 TCSBRKP                 May   INT;
    0x00005427 TIOCSBRK                Never UNUSED;
    0x00005428 TIOCCBRK                Never UNUSED;
    0x00005429 TIOCGSID                Never w(4);
    0x0000542e TIOCGRS485              Never w(32);
    0x0000542f TIOCSRS485              Never rw(32);
    0x00005437 TIOCVHANGUP             Never UNUSED;
    0x00005441 TIOCGPTPEER             Never INT;
    0x00005450 FIONCLEX                Never UNUSED;
    0x00005451 FIOCLEX                 Never UNUSED;
    0x00005452 FIOASYNC                Never r(4);
    0x00005456 TIOCGLCKTRMIOS          Never w(36);
    0x00005457 TIOCSLCKTRMIOS          Never r(36);
    0x00005459 TIOCSERGETLSR           Never w(4);
    0x0000545c TIOCMIWAIT              May   INT;
    0x0000545d TIOCGICOUNT             Never w(80);
    0x00005460 FIOQSIZE                Never w(8);
    0x00005600 VT_OPENQRY              Never w(4);
    0x00005601 VT_GETMODE              Never w(8);
    0x00005602 VT_SETMODE              Never r(8);
    0x00005603 VT_GETSTATE             Never w(6);
    0x00005605 VT_RELDISP              Never INT;
    0x00005606 VT_ACTIVATE             Never INT;
    0x00005607 VT_WAITACTIVE           May   INT;
    0x00005608 VT_DISALLOCATE          Never INT;
    // Sockets and interfaces (uapi/linux/sockios.h, asm-generic/sockios.h).
    0x00008901 FIOSETOWN               Never r(4);
    0x00008902 SIOCSPGRP               Never r(4);
    0x00008903 FIOGETOWN               Never w(4);
    0x00008904 SIOCGPGRP               Never w(4);
    0x00008905 SIOCATMARK              Never w(4);
    0x00008906 SIOCGSTAMP              Never w(16);
    0x00008907 SIOCGSTAMPNS            Never w(16);
    0x0000890b SIOCADDRT               Never Behind::Pointers(120);
    0x0000890c SIOCDELRT               Never Behind::Pointers(120);
    0x00008910 SIOCGIFNAME             Never rw(IFREQ);
    0x00008911 SIOCSIFLINK             Never UNUSED;
    0x00008912 SIOCGIFCONF             Never Behind::Ifconf;
    0x00008913 SIOCGIFFLAGS            Never rw(IFREQ);
    0x00008914 SIOCSIFFLAGS            Never r(IFREQ);
    0x00008915 SIOCGIFADDR             Never rw(IFREQ);
    0x00008916 SIOCSIFADDR             Never r(IFREQ);
    0x00008917 SIOCGIFDSTADDR          Never rw(IFREQ);
    0x00008918 SIOCSIFDSTADDR          Never r(IFREQ);
    0x00008919 SIOCGIFBRDADDR          Never rw(IFREQ);
    0x0000891a SIOCSIFBRDADDR          Never r(IFREQ);
    0x0000891b SIOCGIFNETMASK          Never rw(IFREQ);
    0x0000891c SIOCSIFNETMASK          Never r(IFREQ);
    0x0000891d SIOCGIFMETRIC           Never rw(IFREQ);
    0x0000891e SIOCSIFMETRIC           Never r(IFREQ);
    0x0000891f SIOCGIFMEM              Never rw(IFREQ);
    0x00008920 SIOCSIFMEM              Never r(IFREQ);
    0x00008921 SIOCGIFMTU              Never rw(IFREQ);
    0x00008922 SIOCSIFMTU              Never r(IFREQ);
    0x00008923 SIOCSIFNAME             Never r(IFREQ);
    0x00008924 SIOCSIFHWADDR           Never r(IFREQ);
    0x00008925 SIOCGIFENCAP            Never rw(IFREQ);
    0x00008926 SIOCSIFENCAP            Never r(IFREQ);
    0x00008927 SIOCGIFHWADDR           Never rw(IFREQ);
    0x00008929 SIOCGIFSLAVE            Never rw(IFREQ);
    0x00008930 SIOCSIFSLAVE            Never r(IFREQ);
    0x00008931 SIOCADDMULTI            Never r(IFREQ);
    0x00008932 SIOCDELMULTI            Never r(IFREQ);
    0x00008933 SIOCGIFINDEX            Never rw(IFREQ);
    0x00008934 SIOCSIFPFLAGS           Never r(IFREQ);
    0x00008935 SIOCGIFPFLAGS           Never rw(IFREQ);
    0x00008936 SIOCDIFADDR             Never r(IFREQ);
    0x00008937 SIOCSIFHWBROADCAST      Never r(IFREQ);
    0x00008938 SIOCGIFCOUNT            Never rw(IFREQ);
    0x00008942 SIOCGIFTXQLEN           Never rw(IFREQ);
    0x00008943 SIOCSIFTXQLEN           Never r(IFREQ);
    0x00008946 SIOCETHTOOL             Never Behind::Ethtool;
    0x00008947 SIOCGMIIPHY             Never rw(IFREQ);
    0x00008948 SIOCGMIIREG             Never rw(IFREQ);
    0x00008949 SIOCSMIIREG             Never r(IFREQ);
    0x0000894a SIOCWANDEV              Never Behind::Pointers(IFREQ);
    0x0000894b SIOCOUTQNSD             Never w(4);
    0x0000894c SIOCGSKNS               Never UNUSED;
    0x00008953 SIOCDARP                Never r(68);
    0x00008954 SIOCGARP                Never rw(68);
    0x00008955 SIOCSARP                Never r(68);
    0x00008970 SIOCGIFMAP              Never rw(IFREQ);
    0x00008971 SIOCSIFMAP              Never r(IFREQ);
    0x00008982 SIOCGIFVLAN             Never rw(56);
    0x00008983 SIOCSIFVLAN             Never r(56);
    0x000089a0 SIOCBRADDBR             Never r(16);
    0x000089a1 SIOCBRDELBR             Never r(16);
    0x000089a2 SIOCBRADDIF             Never r(IFREQ);
    0x000089a3 SIOCBRDELIF             Never r(IFREQ);
    0x000089b0 SIOCSHWTSTAMP           Never Behind::Pointers(IFREQ);
    0x000089b1 SIOCGHWTSTAMP           Never Behind::Pointers(IFREQ);
    // Namespaces (uapi/linux/nsfs.h).
    0x0000b701 NS_GET_USERNS           Never UNUSED;
    0x0000b702 NS_GET_PARENT           Never UNUSED;
    0x0000b703 NS_GET_NSTYPE           Never UNUSED;
    0x0000b704 NS_GET_OWNER_UID        Never w(4);
    // _IOW numbers.
    0x40042408 PERF_EVENT_IOC_SET_BPF  Never FD;
    0x40042409 PERF_EVENT_IOC_PAUSE_OUTPUT Never INT;
    0x40044581 EVIOCRMFF               Never INT;
    0x40044590 EVIOCGRAB               Never INT;
    0x40044591 EVIOCREVOKE             Never INT;
    0x40045431 TIOCSPTLCK              Never r(4);
    0x40045436 TIOCSIG                 Never INT;
    0x400454c8 TUNSETNOCSUM            Never INT;
    0x400454c9 TUNSETDEBUG             Never INT;
    0x400454ca TUNSETIFF               Never rw(IFREQ);
    0x400454cb TUNSETPERSIST           Never INT;
    0x400454cc TUNSETOWNER             Never INT;
    0x400454cd TUNSETLINK              Never INT;
    0x400454ce TUNSETGROUP             Never INT;
    0x400454d0 TUNSETOFFLOAD           Never INT;
    0x400454d1 TUNSETTXFILTER          Never tail(4, 2, 2, 6);
    0x400454d9 TUNSETQUEUE             Never r(IFREQ);
    0x40045564 UI_SET_EVBIT            Never INT;
    0x40045565 UI_SET_KEYBIT           Never INT;
    0x40045566 UI_SET_RELBIT           Never INT;
    0x40045567 UI_SET_ABSBIT           Never INT;
    0x40045568 UI_SET_MSCBIT           Never INT;
    0x40045569 UI_SET_LEDBIT           Never INT;
    0x4004556a UI_SET_SNDBIT           Never INT;
    0x4004556b UI_SET_FFBIT            Never INT;
    0x4004556d UI_SET_SWBIT            Never INT;
    0x4004556e UI_SET_PROPBIT          Never INT;
    0x40049409 FICLONE                 Never FD;
    0x40081271 BLKBSZSET               Never r(4);
    0x40082406 PERF_EVENT_IOC_SET_FILTER Never flat(In(Len::Str));
    0x40085203 RNDADDENTROPY           Never tail(8, 4, 4, 1);
    0x4008556c UI_SET_PHYS             Never flat(In(Len::Str));
    0x40086602 FS_IOC_SETFLAGS         Never r(4);
    0x4008700c RTC_IRQP_SET            Never INT;
    0x4008700e RTC_EPOCH_SET           Never INT;
    0x40087602 FS_IOC_SETVERSION       Never r(4);
    0x401054d5 TUNATTACHFILTER         Never Behind::Pointers(16);
    0x401054d6 TUNDETACHFILTER         Never UNUSED;
    0x401c5820 FS_IOC_FSSETXATTR       Never r(28);
    0x4020940d FICLONERANGE            Never r(32);
    0x402c542b TCSETS2                 Never r(44);
    0x402c542c TCSETSW2                May   r(44);
    0x402c542d TCSETSF2                May   r(44);
    0x40806685 FS_IOC_ENABLE_VERITY    May   Behind::Pointers(128);
    // _IOR numbers.
    0x80045200 RNDGETENTCNT            Never w(4);
    0x80045430 TIOCGPTN                Never w(4);
    0x80045432 TIOCGDEV                Never w(4);
    0x80045438 TIOCGPKT                Never w(4);
    0x80045439 TIOCGPTLCK              Never w(4);
    0x80045440 TIOCGEXCL               Never w(4);
    0x800454cf TUNGETFEATURES          Never w(4);
    0x800454d2 TUNGETIFF               Never w(IFREQ);
    0x800454e0 TUNSETSTEERINGEBPF      Never r(4);
    0x800454e1 TUNSETFILTEREBPF        Never r(4);
    0x80045705 WDIOC_KEEPALIVE         Never UNUSED;
    0x8004e500 FUSE_DEV_IOC_CLONE      Never r(4);
    0x80081270 BLKBSZGET               Never w(4);
    0x80081272 BLKGETSIZE64            Never w(8);
    0x80086601 FS_IOC_GETFLAGS         Never w(4);
    0x80087601 FS_IOC_GETVERSION       Never w(4);
    0x801c581f FS_IOC_FSGETXATTR       Never w(28);
    0x802c542a TCGETS2                 Never w(44);
    0x81009431 FS_IOC_GETFSLABEL       Never w(256);
    // _IOWR numbers.
    0xc0045877 FIFREEZE                May   UNUSED;
    0xc0045878 FITHAW                  Never UNUSED;
    0xc0046686 FS_IOC_MEASURE_VERITY   Never tail(4, 2, 2, 1);
    0xc008240a PERF_EVENT_IOC_QUERY_BPF Never tail(8, 0, 4, 4);
    0xc0185879 FITRIM                  May   rw(24);
    0xc0189436 FIDEDUPERANGE           May   tail(24, 16, 2, 32);
    0xc020660b FS_IOC_FIEMAP           May   tail(32, 24, 4, 56);
    0xc0286687 FS_IOC_READ_VERITY_METADATA May Behind::Pointers(40);
    0xc0506617 FS_IOC_ADD_ENCRYPTION_KEY Never tail(80, 40, 4, 1);
}
