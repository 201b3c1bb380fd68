//! A sidecar that may be on another machine: one certificate, and no token without it.

use lanspread_client::{Client, Sidecar, reason};

use crate::given::{Failure, Given, Outcome, end, expect_reason, same_launch};

/// Of a net that belongs to nobody: RFC 5737.
const ELSEWHERE: &str = "192.0.2.1:9";

pub async fn tls(given: &Given) -> Outcome {
    let earlier = given.spawn().await?;
    let earlier_certificate = certificate_of(&earlier)?;
    end(earlier).await?;
    let sidecar = given.spawn().await?;
    same_launch(&sidecar, &sidecar.client().get_status().await?)?;
    let found = Client::connect(Some(&given.state_dir))?;
    same_launch(&sidecar, &found.get_status().await?)?;
    let launch = sidecar.launch();
    let certificate = certificate_of(&sidecar)?;
    let told = Client::with_tls(&launch.address, &launch.token, &certificate)?;
    same_launch(&sidecar, &told.get_status().await?)?;
    let deceived = Client::with_tls(&launch.address, &launch.token, &earlier_certificate)?;
    expect_reason(deceived.get_status().await, reason::NO_ANSWER)?;
    expect_reason(Client::new(ELSEWHERE, &launch.token), reason::TLS_REQUIRED)?;
    end(sidecar).await
}

fn certificate_of(sidecar: &Sidecar) -> Result<String, Failure> {
    let certificate = sidecar.launch().tls_certificate.clone();
    certificate.ok_or_else(|| "the handshake tells no certificate".into())
}
