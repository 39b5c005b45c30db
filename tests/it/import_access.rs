//! Who gets in by nginx, and who by what `pushgate import` makes of its file: nobody whom nginx keeps out.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Child, Command},
    time::Instant,
};

use crate::{
    app::{App, ok},
    harness::{Client, PATIENCE},
    import::{Folder, Imported, MODULE, NGINX, conf},
};

/// The ports of the file's servers, and that of its application.
const PORTS: std::ops::Range<u16> = 9081..9089;
const APPLICATION: &str = "127.0.0.1:9089";

/// The server, what is asked (method, path, a header), and the statuses of nginx and of pushgate.
type Case = (usize, &'static str, &'static str, &'static str, u16, u16);

#[rustfmt::skip]
const CASES: &[Case] = &[
    (0, "POST", "/pub", "", 403, 403),
    (0, "POST", "/pub", "X-Forwarded-For: 10.0.0.1, 8.8.8.8\r\n", 403, 403),
    (0, "POST", "/pub", "X-Forwarded-For: 10.0.0.1\r\n", 202, 403),
    (1, "POST", "/basic", "", 401, 403),
    (1, "POST", "/if", "", 403, 403),
    (1, "POST", "/any", "", 202, 202),
    (1, "POST", "/none", "", 401, 403),
    (2, "POST", "/pub", "", 202, 202),
    (2, "GET", "/other", "", 200, 200),
    (2, "GET", "/admin/", "", 403, 403),
    (2, "GET", "/admin/x", "", 403, 403),
    (2, "GET", "/secret", "", 404, 403),
    (3, "POST", "/pub", "", 202, 202),
    (3, "POST", "/pub/x/1", "", 403, 403),
    (3, "POST", "/closed", "", 403, 403),
    (4, "POST", "/chat/room/pub", "", 202, 202),
    (4, "POST", "/chat/admin/pub", "", 403, 403),
    (4, "POST", "/pub/secret", "", 403, 403),
    (4, "POST", "/pub/a", "", 202, 403),
    (4, "POST", "/open", "", 202, 202),
    (5, "POST", "/return", "", 403, 403),
    (5, "GET", "/method", "", 405, 403),
    (5, "POST", "/login", "", 302, 403),
    (5, "POST", "/rewrite", "", 302, 403),
    (6, "POST", "/pub", "", 403, 403),
    (6, "POST", "/pub", "X-Secret: s3cret\r\n", 202, 403),
    (7, "POST", "/pub", "", 301, 403),
];

/// nginx in a folder of its own; killed when it is dropped.
struct Nginx {
    child: Child,
    addresses: Vec<SocketAddr>,
    _folder: Folder,
}

impl Nginx {
    fn start(application: SocketAddr) -> Self {
        // All at once, so that they differ.
        let free = |_| TcpListener::bind((Ipv4Addr::new(127, 0, 0, 9), 0)).unwrap();
        let free: Vec<_> = PORTS.map(free).collect();
        let addresses: Vec<_> = free.iter().map(|one| one.local_addr().unwrap()).collect();
        drop(free);
        let mut text = conf("access.conf").replace("modules/ngx_nchan_module.so", MODULE);
        text = text.replace(APPLICATION, &application.to_string());
        for (port, address) in PORTS.zip(&addresses) {
            text = text.replace(&format!("127.0.0.1:{port}"), &address.to_string());
        }
        let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
        let temporary = temporary.map(|one| format!("{one}_temp_path {one};\n")).concat();
        let folder = Folder::new(text.replace("access_log off;", &temporary));
        let root = folder.0.path();
        fs::create_dir(root.join("logs")).unwrap();
        let globals = format!(
            "daemon off; master_process off; pid {0}/pid; lock_file {0}/lock;",
            root.display()
        );
        let mut command = Command::new(NGINX);
        command.args(["-e", "stderr", "-g", &globals, "-p"]).arg(root).arg("-c");
        let child = command.arg(folder.nginx()).spawn().unwrap();
        let mut nginx = Self { child, addresses, _folder: folder };
        let start = Instant::now();
        while TcpStream::connect(nginx.addresses[0]).is_err() {
            assert!(nginx.child.try_wait().unwrap().is_none(), "nginx does not start");
            assert!(start.elapsed() < PATIENCE, "nginx does not listen");
            std::thread::yield_now();
        }
        nginx
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn status(address: SocketAddr, case: &Case) -> u16 {
    let (_, method, path, header, ..) = case;
    let mut client = Client::new(TcpStream::connect(address).unwrap());
    let body = if *method == "POST" { "hello" } else { "" };
    client.request(method, path, &format!("Connection: close\r\n{header}"), body);
    client.response().status
}

#[test]
fn nobody_whom_nginx_keeps_out_gets_in() {
    let app = App::answering(|_| ok(b"the application"));
    let application = app.address.to_string();
    let listen: Vec<_> = PORTS.map(|port| format!("127.0.0.1:{port}")).collect();
    // An address for each, so that none is taken.
    let own: Vec<_> = (11..).take(PORTS.len()).map(|host| format!("127.0.0.{host}:0")).collect();
    let pairs = listen.iter().zip(&own);
    let mut replace: Vec<_> = pairs.map(|(one, own)| (one.as_str(), own.as_str())).collect();
    replace.push((APPLICATION, &application));
    let imported = Imported::start("access.conf", PORTS.len(), &replace);
    for case in CASES {
        assert_eq!(status(imported.addresses[case.0], case), case.5, "pushgate: {case:?}");
    }
    if !Path::new(MODULE).exists() || !Path::new(NGINX).exists() {
        eprintln!("SKIPPED: nginx with Nchan is not installed, see tests/run");
        return;
    }
    let nginx = Nginx::start(app.address);
    for case in CASES {
        assert_eq!(status(nginx.addresses[case.0], case), case.4, "nginx: {case:?}");
    }
}
