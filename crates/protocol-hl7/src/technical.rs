//! Answers of machines that come on their own: an application acknowledgement hours after the commit, or an RRI
//! that neither accepts nor rejects. They are logged and stay technical.

use bulkhead_format_hl7::{Answer, Message, Rules};
use bulkhead_model::TenantId;
use bytes::Bytes;
use tokio::sync::mpsc;
use tracing::{debug, error, info};

/// Notes one. Negative after a commit it is a referral that was stored and not processed: a person must look.
pub(crate) fn note(tenant: &TenantId, message: &Message) {
    let Ok(answer) = Answer::parse(message) else {
        return debug!(%tenant, "a message of the local system answers nothing");
    };
    let control_id = answer.control_id.unwrap_or_default();
    match answer.code {
        Some(code) if !code.is_accept() => {
            error!(%tenant, control_id, code = code.as_str(), "the local system could not process what it stored");
        }
        code => {
            let code = code.map_or("RRI", |code| code.as_str());
            info!(%tenant, control_id, code, "the local system answered on its own");
        }
    }
}

/// Notes those that come on a connection of ours, until it is closed for good.
pub(crate) async fn note_all(tenant: TenantId, mut others: mpsc::Receiver<Bytes>) {
    while let Some(frame) = others.recv().await {
        if let Ok(message) = Message::parse_with(frame, &Rules::any_version()) {
            note(&tenant, &message);
        }
    }
}
