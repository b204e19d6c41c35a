//! One tree of routes and one listener, for `serve`, for the demo and for the tests.

use std::net::SocketAddr;

use poem::listener::TcpAcceptor;
use poem::{EndpointExt as _, Route, Server};
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::{admin, api, inbound, portal, web};

/// Everything that is served, with what goes round all of it.
pub fn routes(app: &App) -> impl poem::Endpoint + use<> {
    let route = inbound::mount(admin::mount(api::mount(Route::new(), app), app));
    api::in_front(route.nest("/", portal::routes(app)), app).with(web::request_id::RequestIds).data(app.clone())
}

/// A server that has its port.
pub struct Bound {
    acceptor: TcpAcceptor,
    pub address: SocketAddr,
}

/// Takes the port; `0` takes any free one.
///
/// # Errors
/// When the address is taken or not this machine's.
pub fn bind(listen: SocketAddr) -> std::io::Result<Bound> {
    let listener = std::net::TcpListener::bind(listen)?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    Ok(Bound { acceptor: TcpAcceptor::from_std(listener)?, address })
}

impl Bound {
    /// Serves until `stop`; then requests in flight finish, for at most twenty seconds.
    ///
    /// # Errors
    /// When the listener breaks.
    pub async fn serve(self, app: App, stop: CancellationToken) -> std::io::Result<()> {
        let server = Server::new_with_acceptor(self.acceptor);
        let stopped = async move { stop.cancelled().await };
        server.run_with_graceful_shutdown(routes(&app), stopped, Some(std::time::Duration::from_secs(20))).await
    }
}
