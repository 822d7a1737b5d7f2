//! How is TLS made towards a device, off the data workers?

use std::{io, sync::Arc};

use sluicegate_config::plan::{Site, Upstream};
use tokio::runtime::Handle;

use crate::{
    io::{Parked, shake},
    link::{TlsDial, TlsDialer, connect},
    tasks,
    trust::{Trust, UpstreamTls},
};

/// A dialler whose handshakes run on `threads`. A dial that nobody waits for any more ends there and then.
pub(crate) fn dialer(site: Arc<Site>, trust: Arc<Trust>, threads: Handle) -> TlsDialer {
    Arc::new(move |dial: TlsDial| {
        let (site, trust) = (Arc::clone(&site), Arc::clone(&trust));
        let TlsDial { conduit, upstream, mut back } = dial;
        let work = async move {
            let plan = site.conduits.get(conduit.index()).and_then(|one| one.upstream.get(upstream));
            let Some(Upstream::Tls { address, .. }) = plan else { return };
            let made = tokio::select! {
                biased;
                () = back.closed() => return,
                made = make(address, trust.upstream(conduit, upstream)) => made,
            };
            // Nobody waits any more: the stream is dropped, and with it the connection.
            let _ = back.send(made);
        };
        tasks::spawn(&threads, work, || {});
    })
}

async fn make(address: &str, tls: Option<&UpstreamTls>) -> io::Result<Parked> {
    let tls = tls.ok_or_else(|| io::Error::other("no certificate for this device"))?;
    let stream = connect(address).await?;
    let (stream, records) = shake::connect(Arc::clone(&tls.config), tls.name.clone(), stream).await?;
    Ok(Parked::Tls(stream.into_std()?, records))
}
