//! Calls in flight when the process ends, and when their connections must make room for others.

use std::net::SocketAddr;

use tokio::net::TcpSocket;
use tokio::sync::Semaphore;

use super::*;

const MINUTE: Duration = Duration::from_mins(1);

/// Server whose calls of endpoints wait until they are released.
struct Server {
    address: SocketAddr,
    stats: Arc<latchkey_transport::ConnectionStats>,
    /// Has a permit for each call that has begun.
    begun: Arc<Semaphore>,
    /// Gets a permit for each call that may end.
    gate: Arc<Semaphore>,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

impl Server {
    fn start(open: usize) -> Self {
        let address = BindAddress::Tcp("127.0.0.1:0".parse().unwrap());
        let limits = ConnectionLimits { open, ..ONE };
        let listener = Arc::new(Listener::bind("http", &address, limits).unwrap());
        let (begun, gate) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
        let (begins, waits) = (begun.clone(), gate.clone());
        let endpoints: EndpointHandler = Arc::new(move |_, _| {
            let (begins, waits) = (begins.clone(), waits.clone());
            Box::pin(async move {
                begins.add_permits(1);
                waits.acquire().await.unwrap().forget();
                None
            })
        });
        let (stop, stopping) = watch::channel(false);
        let (address, stats) = (listener.tcp_address().unwrap(), listener.stats().clone());
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let (_stage, state) = http_state(Stage::Ready);
            serve(listener, None, HttpState { endpoints, ..state }, ServedPaths::All, stopping).await;
        });
        Self { address, stats, begun, gate, stop, tasks }
    }

    /// Begins a call, and returns its connection once the server has read it.
    async fn begin(&self) -> TcpStream {
        let mut client = TcpStream::connect(self.address).await.unwrap();
        client.write_all(b"POST /v1/keys HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        timeout(MINUTE, self.begun.acquire()).await.unwrap().unwrap().forget();
        client
    }
}

/// Returns everything that a server sends until it closes the connection.
async fn rest(mut client: TcpStream) -> String {
    let mut response = String::new();
    drop(timeout(MINUTE, client.read_to_string(&mut response)).await.expect("the connection is closed"));
    response
}

#[tokio::test]
async fn a_call_in_flight_is_finished_at_the_end_and_no_other_one_begins() {
    let mut server = Server::start(4);
    let (client, idle) = (server.begin().await, TcpStream::connect(server.address).await.unwrap());
    while server.stats.open() < 2 {
        tokio::task::yield_now().await;
    }
    server.stop.send_replace(true);
    assert_eq!(rest(idle).await, "", "a connection without a call is closed");
    let closed = async {
        while TcpStream::connect(server.address).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(MINUTE, closed).await.expect("the port is closed");
    server.gate.add_permits(1);
    let response = rest(client).await;
    assert!(response.starts_with("HTTP/1.1 404") && response.contains("connection: close"), "{response}");
    timeout(MINUTE, server.tasks.join_next()).await.expect("it ends").unwrap().unwrap();
}

#[tokio::test]
async fn a_connection_that_makes_room_finishes_its_call_first() {
    for finishes in [true, false] {
        let server = Server::start(3);
        let clients = [server.begin().await, server.begin().await, server.begin().await];
        let other = TcpSocket::new_v4().unwrap();
        other.bind(SocketAddr::from(([127, 0, 0, 2], 0))).unwrap();
        let mut other = other.connect(server.address).await.unwrap();
        other.write_all(b"GET /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
        if finishes {
            // Its connection has to be accepted before the calls end, so that one of theirs is chosen.
            tokio::time::sleep(Duration::from_millis(100)).await;
            server.gate.add_permits(3);
        }
        assert!(rest(other).await.starts_with("HTTP/1.1 200"), "it gets the place of one of the three");
        server.gate.add_permits(3);
        server.stop.send_replace(true);
        let mut answered = 0;
        for client in clients {
            answered += usize::from(rest(client).await.starts_with("HTTP/1.1 404"));
        }
        assert_eq!(answered, if finishes { 3 } else { 2 });
    }
}
