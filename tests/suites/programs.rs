//! Real programs: what a person would record on the first day.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

use reenact_tests::{guest, need, program, script, until};

#[test]
fn date_prints_the_recorded_moment() {
    program(&["date", "+%s.%N"]).is_faithful();
}

#[test]
fn coreutils_print_what_differs_from_run_to_run() {
    script(
        "date; date -u +%FT%T.%N; id; uname -a; hostname 2>/dev/null; pwd; mktemp -u; stat .; df .; uptime; nproc; \
         touch a b c; ls -lai; ls -la /proc/self/fd; stat a; cat /proc/self/stat /proc/uptime; readlink /proc/self/exe; \
         env | sort; who; tty; head -c 16 /dev/urandom | od -An -tx1; shuf -i 1-100 -n 10; wc -c /proc/self/maps",
    )
    .is_faithful();
}

#[test]
fn ls_of_a_big_folder() {
    program(&["ls", "-laiR", "/etc"]).is_faithful();
}

#[test]
fn proc_files_are_as_recorded() {
    program(&[
        "cat",
        "/proc/self/stat",
        "/proc/self/status",
        "/proc/meminfo",
        "/proc/loadavg",
    ])
    .is_faithful();
}

#[test]
fn dd_moves_bytes_and_tells_how_fast() {
    script("dd if=/dev/urandom of=file bs=64k count=40; dd if=file bs=1000 | cksum").is_faithful();
}

#[test]
fn bash_with_background_jobs() {
    script(
        "for i in 1 2 3 4 5; do (sleep 0.0$i; echo job $i is $BASHPID) & pids+=($!); done; \
         jobs; for p in \"${pids[@]}\"; do wait $p; echo $p gave $?; done; wait -n; echo $?",
    )
    .is_faithful();
}

#[test]
fn bash_with_traps() {
    script(
        "trap 'echo got usr1' USR1; trap 'echo got chld' CHLD; trap 'echo bye $?' EXIT; \
         kill -USR1 $$; /bin/true; (sleep 0.05; kill -USR1 $$) & wait; wait; echo $SECONDS $EPOCHREALTIME; exit 9",
    )
    .is_faithful();
}

#[test]
fn bash_with_random_numbers() {
    script("echo $RANDOM $RANDOM $SRANDOM $$ $BASHPID $PPID; od -An -N8 -tx8 /dev/urandom; echo $((RANDOM % 10))").is_faithful();
}

#[test]
fn bash_with_process_substitution() {
    script("diff <(seq 1 10) <(seq 1 2 10); cat <(echo a; echo $BASHPID) > >(cat -n); wait; paste <(seq 3) <(date +%N; date +%N)").is_faithful();
}

#[test]
fn bash_pipelines_and_here_documents() {
    script("set -o pipefail; cat <<END | tr a-z A-Z | sed s/O/0/ | rev\nhello $$\nworld\nEND\nfalse | true; echo $?; echo ${PIPESTATUS[@]}; yes | head -n 5 | nl")
        .is_faithful();
}

#[test]
fn bash_job_control_under_a_terminal() {
    need("script", "bsdutils");
    script(
        "script -qec 'bash --norc -i' /dev/null <<'END'\nset -m\nsleep 100 &\njobs\nkill -STOP %1\nsleep 0.1\njobs\nkill %1\nkill -CONT %1\nwait\ntty\nstty size\nexit 3\nEND\necho $?",
    )
    .is_faithful();
}

#[test]
fn dash_scripts() {
    need("dash", "dash");
    program(&[
        "dash",
        "-c",
        "i=0; while [ $i -lt 50 ]; do i=$((i+1)); x=$(echo $i); done; echo $x $$; trap 'echo int' INT; kill -INT $$; (exit 4); echo $?",
    ])
    .is_faithful();
}

#[test]
fn text_tools() {
    need("perl", "perl");
    need("awk", "mawk");
    script(
        "seq 1 3000 | sort -R | tee shuffled | sort -n | md5sum; awk 'BEGIN{srand(); print srand(), rand()} {s+=$1} END{print s}' shuffled; \
         sed -n '5,8p;$=' shuffled; grep -c 7 shuffled; cut -c1-2 shuffled | uniq -c | tail -n 3; perl -e 'print time, \" $$ \", rand, \"\\n\"'",
    )
    .is_faithful();
}

#[test]
fn perl_with_children_and_signals() {
    need("perl", "perl");
    program(&[
        "perl",
        "-e",
        "$|=1; $SIG{ALRM}=sub{print \"alarm\\n\"}; my %h=map{$_=>1}1..20; print join(\",\",keys %h),\"\\n\"; \
         for(1..3){my $p=fork; if(!$p){print \"child $$\\n\"; exit $_} waitpid($p,0); print $?>>8,\"\\n\"} \
         alarm 1; select undef,undef,undef,2; open my $f,'-|','date +%N'; print <$f>;",
    ])
    .is_faithful();
}

#[test]
fn find_and_xargs() {
    script("mkdir -p a/b/c; touch a/{1..30} a/b/{1..30}; find . -type f -printf '%i %p %T@\\n'; find a -type f | xargs -P 4 -n 7 echo | sort | cksum; find . -empty -delete; ls")
        .is_faithful();
}

#[test]
fn make_with_parallel_jobs() {
    need("make", "make");
    script("printf 'all: a b c d\\n\\techo all of them\\na b c d:\\n\\t@sleep 0.02; echo $@ by $$$$ > $@; cat $@\\n' > Makefile; make -j3; echo $?; make -n; rm a; make").is_faithful();
}

#[test]
fn gcc_compiles_links_and_runs() {
    need("gcc", "gcc");
    script("printf '#include <stdio.h>\\n#include <unistd.h>\\nint main(void){printf(\"%%d %%s\\\\n\",(int)getpid(),__TIME__);return 7;}\\n' > p.c; gcc -O2 -Wall -c p.c && gcc -o p p.o && ./p; echo $?; size p; echo 'int main(){return x;}' | gcc -x c - ")
        .is_faithful();
}

#[test]
fn git_init_commit_and_log() {
    need("git", "git");
    script(
        "export HOME=$PWD GIT_CONFIG_NOSYSTEM=1; git init -q -b main r && cd r && git config user.name N && git config user.email e@x && git config pack.threads 1 && \
         for i in 1 2 3; do echo $i > f$i; git add .; git commit -qm \"commit $i\"; done; git log --stat; git checkout -qb b HEAD~1; \
         git merge -q main; git gc -q; git fsck; git status; git rev-parse HEAD",
    )
    .is_faithful();
}

#[test]
fn sqlite_in_wal_mode_from_two_processes() {
    need("sqlite3", "sqlite3");
    script(
        "sqlite3 d 'pragma journal_mode=wal; create table t(a, b);'; \
         insert() { for i in $(seq 1 15); do sqlite3 d \".timeout 5000\" \"insert into t values($1, $i || hex(randomblob(4)));\"; done; }; \
         insert 1 & insert 2 & wait; sqlite3 d 'select a, count(*) from t group by a; select b from t order by rowid limit 9; pragma wal_checkpoint; pragma integrity_check;'; ls -la d*",
    )
    .is_faithful();
}

#[test]
fn sqlite_readers_beside_a_writer_that_stays() {
    need("sqlite3", "sqlite3");
    script(
        "sqlite3 d 'pragma journal_mode=wal; create table t(a);' >/dev/null; mkfifo go; \
         (echo '.timeout 5000'; for i in 1 2 3 4 5 6; do echo \"insert into t values($i);\"; done; cat go) | sqlite3 d & \
         for i in 1 2 3; do sqlite3 d 'select count(*) from t'; done; echo 'select sum(a) from t;' > go; wait",
    )
    .is_faithful();
}

#[test]
fn tar_and_zstd_of_a_tree() {
    need("zstd", "zstd");
    script("mkdir t; for i in $(seq 40); do head -c $((i * 997)) /dev/urandom > t/$i; done; tar cf - t | zstd -q --single-thread | tee t.zst | zstd -dqc --single-thread | tar tvf - ; zstd -t t.zst; sha256sum t/* | sha256sum")
        .is_faithful();
}

#[test]
fn curl_from_a_python_http_server() {
    need("curl", "curl");
    need("python3", "python3");
    script(
        "echo content of $$ > file; python3 -u -c 'import http.server,sys\ns=http.server.HTTPServer((\"127.0.0.1\",0),http.server.SimpleHTTPRequestHandler)\nopen(\"port\",\"w\").write(str(s.server_port)+\"\\n\")\nfor i in range(3): s.handle_request()' & \
         until grep -q . port 2>/dev/null; do sleep 0.01; done; read port < port; curl -sv http://127.0.0.1:$port/file; curl -s http://127.0.0.1:$port/; curl -s -o /dev/null -w '%{http_code} %{time_total}\\n' http://127.0.0.1:$port/absent; wait; curl -s http://127.0.0.1:$port/; echo $?",
    )
    .is_faithful();
}

fn python(text: &str) {
    need("python3", "python3");
    program(&["python3", "-c", text]).is_faithful();
}

#[test]
fn python_prints_identities_and_times() {
    python("import os,time,uuid,random,tempfile,sys\nprint(os.getpid(),time.time(),time.perf_counter_ns(),uuid.uuid4(),uuid.uuid1(),random.random(),id(object()),hash('x'))\nprint({str(i) for i in range(9)},tempfile.mkdtemp(),sys.executable,os.urandom(8).hex())");
}

#[test]
fn python_lists_folders_and_walks() {
    python("import os\nfor i in range(50): open(f'f{i*37%50}','w').write(str(i))\nprint(os.listdir('.'))\nprint([(e.name,e.inode(),e.stat().st_mtime_ns) for e in os.scandir('.')])\nprint(sum(len(f) for _,_,f in os.walk('/usr/lib/python3')))");
}

#[test]
fn python_with_asyncio_server_and_client() {
    python(
        "import asyncio,time\nasync def serve(r,w):\n  while True:\n    line=await r.readline()\n    if not line: break\n    w.write(line.upper()+str(time.monotonic_ns()).encode()+b'\\n'); await w.drain()\n  w.close()\n\
         async def client(port,n):\n  r,w=await asyncio.open_connection('127.0.0.1',port)\n  for i in range(10):\n    w.write(f'c{n} {i}\\n'.encode()); print(await r.readline(),await r.readline()); await asyncio.sleep(0.001*n)\n  w.close()\n\
         async def main():\n  s=await asyncio.start_server(serve,'127.0.0.1',0)\n  port=s.sockets[0].getsockname()[1]\n  print(port)\n  await asyncio.gather(*(client(port,n) for n in range(5)))\n  s.close()\nasyncio.run(main())",
    );
}

#[test]
fn python_with_subprocesses() {
    python("import subprocess as s,sys\nprint(s.run(['date','+%N'],capture_output=True))\nprint(s.run('echo $$; exit 4',shell=True,stdout=s.PIPE))\np=s.Popen(['cat'],stdin=s.PIPE,stdout=s.PIPE)\nprint(p.communicate(b'x'*200000)[0][-3:],p.pid)\ntry: s.run(['absent-program'])\nexcept FileNotFoundError as e: print(e)\np=s.Popen(['sleep','100']); p.terminate(); print(p.wait())\ntry: s.run(['sleep','100'],timeout=0.1)\nexcept s.TimeoutExpired as e: print(e)\nsys.exit(6)");
}

#[test]
fn python_with_forked_workers() {
    python("import os\nfrom multiprocessing.connection import Pipe\nends=[]\nfor i in range(4):\n  a,b=Pipe()\n  if os.fork()==0:\n    b.send((i,os.getpid(),os.urandom(4))); b.recv(); os._exit(i)\n  ends.append(a)\nfor a in ends: print(a.recv()); a.send(None)\nprint(sorted(os.waitstatus_to_exitcode(os.wait()[1]) for _ in ends))");
}

#[test]
fn python_with_multiprocessing() {
    python("import multiprocessing as m,os\nm.set_start_method('fork')\ndef f(c,n): c.send((n*n,os.getpid())); c.close()\nps=[]\nfor n in range(5):\n  a,b=m.Pipe(); p=m.Process(target=f,args=(b,n)); p.start(); ps.append((p,a))\nfor p,a in ps: print(a.recv()); p.join(); print(p.exitcode)\nq=m.Value('i',0)\ndef g():\n  for _ in range(100):\n    with q.get_lock(): q.value+=1\nps=[m.Process(target=g) for _ in range(3)]\n[p.start() for p in ps]; [p.join() for p in ps]; print(q.value)");
}

#[test]
fn python_with_signal_handlers() {
    python("import signal,os,time\nn=[0]\ndef h(s,f): n[0]+=1; print('signal',s,n[0],flush=True)\nfor s in (signal.SIGUSR1,signal.SIGALRM,signal.SIGCHLD): signal.signal(s,h)\nos.kill(os.getpid(),signal.SIGUSR1)\nsignal.setitimer(signal.ITIMER_REAL,0.01,0.01)\nwhile n[0]<6: time.sleep(0.005)\nsignal.setitimer(signal.ITIMER_REAL,0)\nif os.fork()==0: os._exit(0)\nos.wait(); print(n[0])\nsignal.signal(signal.SIGINT,signal.SIG_DFL); os.kill(os.getpid(),signal.SIGINT)");
}

#[test]
fn python_in_a_loop_until_an_alarm() {
    need("python3", "python3");
    let text = "import signal\nclass Done(Exception): pass\ndef h(s,f): raise Done\nsignal.signal(signal.SIGALRM,h)\nn=0\ntry:\n  signal.setitimer(signal.ITIMER_REAL,0.2)\n  while n>=0: n+=1\nexcept Done: print(n)";
    program(&["python3", "-c", text])
        .called("programs/python_in_a_loop_until_an_alarm")
        .is_faithful();
}

#[test]
fn python_with_select_and_sockets() {
    python("import socket,select,os\ns=socket.create_server(('127.0.0.1',0)); a=socket.create_connection(s.getsockname()); b,peer=s.accept(); print(peer)\ne=select.epoll(); e.register(b,select.EPOLLIN)\na.sendall(b'hi'); print(e.poll(1),b.recv(9))\nu=socket.socketpair(); u[0].send(b'x'); print(select.select([u[1]],[],[],1)[0][0].recv(1))\nprint(socket.getaddrinfo('localhost',80),socket.gethostname())");
}

#[test]
fn a_crash_at_a_random_place_has_the_same_address() {
    for _ in 0..5 {
        guest("misc/crash_at_random").is_faithful();
        guest("misc/crash_while_computing").is_faithful();
    }
}

#[test]
fn a_thousand_processes() {
    script("for i in $(seq 1000); do /bin/true; done; echo $! $$; date +%N")
        .within(Duration::from_secs(300))
        .is_faithful();
}

#[test]
fn a_recorded_client_of_an_unrecorded_server() {
    need("curl", "curl");
    let server = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = server.local_addr().expect("a bound address").port();
    // The native run and the recorded one each come here once; the replays must not.
    let serving = thread::spawn(move || {
        for number in 0..2 {
            let (mut stream, _) = server.accept().expect("a client");
            let mut request = [0; 4096];
            let got = stream.read(&mut request).expect("a request");
            assert!(got > 0, "a client asks before it leaves");
            let body = format!("answer {number}\n");
            write!(
                stream,
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            )
            .expect("a reply");
        }
    });
    let url = format!("http://127.0.0.1:{port}/");
    program(&["curl", "-s", &url]).is_faithful();
    serving.join().expect("the server served two clients");
}

#[test]
fn an_unrecorded_client_of_a_recorded_server() {
    need("python3", "python3");
    let server = "import socket\ns=socket.socket(socket.AF_UNIX); s.bind('door'); s.listen()\nc,_=s.accept(); n=c.recv(100); print(n,flush=True); c.sendall(n[::-1])";
    let recorder = program(&["python3", "-c", server]).start_recording();
    let door = recorder.folder().join("door");
    let mut stream = until("the server opens its door", || {
        UnixStream::connect(&door).ok()
    });
    stream
        .write_all(b"from outside")
        .expect("the server listens");
    let mut reply = String::new();
    stream
        .read_to_string(&mut reply)
        .expect("the server replies");
    assert_eq!(reply, "edistuo morf");
    let recording = recorder.finish();
    assert_eq!(recording.stdout(), "b'from outside'\n");
    recording.replay().same_output();
}
