//! What do Prometheus and the service manager ask, and how little may they cost?
//!
//! | path | answer |
//! |---|---|
//! | `/metrics` | the scrape |
//! | `/healthz` | 200 while this thread lives |
//! | `/readyz` | 200 while peers are served; 503 before and while draining |
//!
//! A thread and runtime of its own: a flood of scrapes costs one thread's time, and no worker waits for it (PX-17).
//! HTTP/1.1 only, one request a connection, and one deadline for all of it.

use std::{
    convert::Infallible,
    fmt, io,
    net::{SocketAddr, TcpListener as StdListener},
    sync::Arc,
    time::Duration,
};

use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::{ALLOW, CONTENT_TYPE},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ServerConfig;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;

use super::{families::TEXT_FORMAT, site::SiteMetrics};
use crate::tasks;

/// Connections at once. A Prometheus pair, a health check and a person need five; the next one is closed at once.
const CONNECTIONS: usize = 16;
/// Request line and headers: hyper's smallest bound, and ten times what any scraper sends.
const HEADER_BYTES: usize = 8 * 1024;
/// From the accept to the last byte of the answer, TLS included. A scrape of 20 000 series takes 0.1 s to make.
const WHOLE: Duration = Duration::from_secs(5);
/// After an accept that failed because descriptors ran out.
const REST: Duration = Duration::from_millis(100);

/// Whether peers are served.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Standing {
    /// Not yet.
    #[default]
    Starting,
    /// They are.
    Ready,
    /// Not any more.
    Draining,
}

/// A TLS configuration for the next connection; client certificates are its business.
pub type TlsSource = Arc<dyn Fn() -> Arc<ServerConfig> + Send + Sync>;

/// What the endpoint serves from.
#[derive(Clone)]
pub struct Admin {
    /// The series.
    pub metrics: Arc<SiteMetrics>,
    /// What `/readyz` says. The endpoint ends when its sender is gone.
    pub standing: watch::Receiver<Standing>,
    /// Off loopback.
    pub tls: Option<TlsSource>,
}

impl fmt::Debug for Admin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admin").field("standing", &self.standing).field("tls", &self.tls.is_some()).finish()
    }
}

/// Binds the endpoint.
///
/// # Errors
/// The address is taken, or not ours.
pub fn bind(address: SocketAddr) -> io::Result<StdListener> {
    let listener = StdListener::bind(address)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Starts the endpoint's thread.
///
/// # Errors
/// The system has no room for another thread.
pub fn start(listener: StdListener, admin: Admin) -> io::Result<()> {
    let main = move || async move {
        match TcpListener::from_std(listener) {
            Ok(listener) => serve(listener, admin).await,
            Err(error) => tracing::error!(%error, "the metrics endpoint cannot be served"),
        }
    };
    // Nobody waits for it: it holds nothing that must be put away.
    tasks::worker_thread("admin".to_owned(), main).map(drop)
}

async fn serve(listener: TcpListener, admin: Admin) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    let mut standing = admin.standing.clone();
    loop {
        let accepted = tokio::select! {
            biased;
            changed = standing.changed() => if changed.is_err() { return } else { continue },
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, _)) = accepted else {
            sleep(REST).await;
            continue;
        };
        let Ok(place) = Arc::clone(&room).try_acquire_owned() else { continue };
        let (admin, metrics) = (admin.clone(), Arc::clone(&admin.metrics));
        let one = async move {
            // Too late or broken: the peer's own business, and it may come again.
            let _ = timeout(WHOLE, connection(stream, &admin)).await;
            drop(place);
        };
        tasks::spawn_local(one, move || metrics.task_panicked());
    }
}

async fn connection(stream: TcpStream, admin: &Admin) {
    match &admin.tls {
        None => http(stream, admin).await,
        Some(config) => {
            if let Ok(stream) = TlsAcceptor::from(config()).accept(stream).await {
                http(stream, admin).await;
            }
        }
    }
}

async fn http(stream: impl AsyncRead + AsyncWrite + Unpin, admin: &Admin) {
    let service = service_fn(|request: Request<Incoming>| {
        let answer = answer(&request, admin);
        async { Ok::<_, Infallible>(answer) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(WHOLE)
        .max_buf_size(HEADER_BYTES)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "a request to the metrics endpoint failed");
    }
}

fn answer(request: &Request<Incoming>, admin: &Admin) -> Response<Full<Bytes>> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut refused = text(StatusCode::METHOD_NOT_ALLOWED, "GET or HEAD\n");
        refused.headers_mut().insert(ALLOW, hyper::header::HeaderValue::from_static("GET, HEAD"));
        return refused;
    }
    match request.uri().path() {
        "/metrics" => text(StatusCode::OK, admin.metrics.text()),
        "/healthz" => text(StatusCode::OK, "ok\n"),
        "/readyz" => match *admin.standing.borrow() {
            Standing::Starting => text(StatusCode::SERVICE_UNAVAILABLE, "starting\n"),
            Standing::Ready => text(StatusCode::OK, "ready\n"),
            Standing::Draining => text(StatusCode::SERVICE_UNAVAILABLE, "draining\n"),
        },
        _ => text(StatusCode::NOT_FOUND, "/metrics /healthz /readyz\n"),
    }
}

fn text(status: StatusCode, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static(TEXT_FORMAT));
    response
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        net::TcpStream as StdStream,
    };

    use super::*;
    use crate::observe::series::SiteLabels;

    fn started() -> (SocketAddr, watch::Sender<Standing>) {
        let listener = bind("127.0.0.1:0".parse().expect("an address")).expect("bound");
        let address = listener.local_addr().expect("it has one");
        let (standing, seen) = watch::channel(Standing::Starting);
        let metrics = SiteMetrics::with_labels(SiteLabels::default());
        start(listener, Admin { metrics, standing: seen, tls: None }).expect("started");
        (address, standing)
    }

    /// Sends bytes and reads until the other side closes. Reset counts as closed.
    fn ask(address: SocketAddr, bytes: &[u8]) -> String {
        let mut stream = StdStream::connect(address).expect("connected");
        stream.set_read_timeout(Some(Duration::from_secs(60))).expect("set");
        let _ = stream.write_all(bytes);
        let mut said = Vec::new();
        let mut some = [0; 4096];
        while let Ok(n @ 1..) = stream.read(&mut some) {
            said.extend_from_slice(&some[..n]);
        }
        String::from_utf8_lossy(&said).into_owned()
    }

    fn get(address: SocketAddr, path: &str) -> String {
        ask(address, format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes())
    }

    #[test]
    fn readyz_says_503_until_ready_and_while_draining() {
        let (address, standing) = started();
        assert!(get(address, "/readyz").starts_with("HTTP/1.1 503 "));
        standing.send_replace(Standing::Ready);
        assert!(get(address, "/readyz").starts_with("HTTP/1.1 200 "));
        standing.send_replace(Standing::Draining);
        assert!(get(address, "/readyz").starts_with("HTTP/1.1 503 "));
        assert!(get(address, "/healthz").starts_with("HTTP/1.1 200 "));
    }

    #[test]
    fn a_scrape_has_the_series_and_their_format() {
        let (address, _standing) = started();
        let said = get(address, "/metrics");
        assert!(said.starts_with("HTTP/1.1 200 "), "{said}");
        assert!(said.contains("content-type: text/plain; version=0.0.4"), "{said}");
        assert!(said.contains("\nsluicegate_build_info{"), "{said}");
        assert!(get(address, "/").starts_with("HTTP/1.1 404 "));
        assert!(ask(address, b"POST /metrics HTTP/1.1\r\nHost: a\r\n\r\n").starts_with("HTTP/1.1 405 "));
    }

    #[test]
    fn px_17_only_http_1_and_small_headers_are_read() {
        let (address, _standing) = started();
        let preface = ask(address, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0");
        assert!(!preface.contains(" 200 ") && preface.as_bytes().first() != Some(&0), "{preface}");
        let long = format!("GET /metrics HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(3 * HEADER_BYTES));
        assert!(!ask(address, long.as_bytes()).contains(" 200 "));
        let many = format!("GET /metrics HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(500));
        assert!(!ask(address, many.as_bytes()).contains(" 200 "));
        assert!(get(address, "/healthz").starts_with("HTTP/1.1 200 "));
    }

    #[test]
    fn px_17_sixteen_silent_connections_are_all_there_are_and_end_by_themselves() {
        let (address, _standing) = started();
        let silent: Vec<_> = (0..CONNECTIONS).map(|_| StdStream::connect(address).expect("connected")).collect();
        assert_eq!(get(address, "/healthz"), "", "the seventeenth is closed at once");
        for mut one in silent {
            one.set_read_timeout(Some(Duration::from_secs(60))).expect("set");
            let mut rest = Vec::new();
            // Closed by the deadline, with 408 or without a word.
            let _ = one.read_to_end(&mut rest);
            assert!(!String::from_utf8_lossy(&rest).contains(" 200 "));
        }
        let start = std::time::Instant::now();
        while !get(address, "/healthz").starts_with("HTTP/1.1 200 ") {
            assert!(start.elapsed() < Duration::from_secs(60), "there must be room again");
        }
    }

    #[test]
    fn the_endpoint_ends_with_the_gateway() {
        let (address, standing) = started();
        assert!(get(address, "/healthz").starts_with("HTTP/1.1 200 "));
        drop(standing);
        let start = std::time::Instant::now();
        while StdStream::connect(address).is_ok() {
            assert!(start.elapsed() < Duration::from_secs(60), "it still listens");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}
