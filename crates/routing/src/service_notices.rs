//! Who exchanges referrals with a tenant that is cut off hears it on their own stream: what is off, since when, what to
//! do instead; and again when it is back.
//!
//! Nothing waits for a notice: the loop of each stream looks at the cuts by itself, and what finds no room on the
//! stream is looked at again. So a sidecar that reads nothing delays neither a cut nor anybody else.

use std::collections::HashMap;
use std::sync::Arc;

use bulkhead_model::{CutId, Cuts, Directory, Nation, ServiceId, TakesOver, TenantId};
use bulkhead_wire::time_to_wire;
use bulkhead_wire::v1::{self, receive_response::Frame};
use jiff::Timestamp;

use crate::Error;
use crate::flight::Down;
use crate::last_frame::Queued;
use crate::owner::Shared;

/// The notices of one stream.
pub(crate) struct ServiceNotices {
    shared: Shared,
    tenant: TenantId,
    down: Down,
    /// Who is off, as this stream was told.
    said: HashMap<TenantId, CutId>,
    /// The cuts that all was said of.
    seen: Option<(Arc<Cuts>, Arc<Directory>)>,
}

impl ServiceNotices {
    pub(crate) fn new(shared: Shared, tenant: TenantId, down: Down) -> Self {
        Self { shared, tenant, down, said: HashMap::new(), seen: None }
    }

    /// Says what is new, as far as there is room on the stream; the rest the next time.
    pub(crate) fn say(&mut self) -> Result<(), Error> {
        let (cuts, directory) = (self.shared.cuts(), self.shared.directory());
        let known = |seen: &(Arc<Cuts>, Arc<Directory>)| {
            seen.0.says_the_same(&cuts) && Arc::ptr_eq(&seen.1, &directory)
        };
        if self.seen.as_ref().is_some_and(known) {
            return Ok(());
        }
        let back: Vec<TenantId> =
            self.said.keys().filter(|other| cuts.is_off(other, &self.tenant).is_none()).cloned().collect();
        for other in back {
            let Some(cut) = self.said.get(&other).cloned() else { continue };
            if !self.send(self.notice(&cuts, &directory, &other, &cut, false)) {
                return Ok(());
            }
            self.said.remove(&other);
        }
        for other in cuts.touched().filter(|other| *other != self.tenant) {
            let Some(cut) = cuts.is_off(&other, &self.tenant).cloned() else { continue };
            let is_known = self.said.get(&other) == Some(&cut);
            if is_known || !self.shared.parts.ledger.exchanged(&self.tenant, &other)? {
                continue;
            }
            if !self.send(self.notice(&cuts, &directory, &other, &cut, true)) {
                return Ok(());
            }
            self.said.insert(other, cut);
        }
        self.seen = Some((cuts, directory));
        Ok(())
    }

    /// False: there is no room now.
    fn send(&self, notice: v1::ServiceNotice) -> bool {
        let response = v1::ReceiveResponse { frame: Some(Frame::ServiceNotice(notice)) };
        let sent = self.down.try_send(Queued::Frame(Ok(response))).is_ok();
        if sent {
            metrics::counter!("bulkhead_service_notices_total", "nation" => self.shared.home().as_str())
                .increment(1);
        }
        sent
    }

    fn notice(
        &self,
        cuts: &Cuts,
        directory: &Directory,
        other: &TenantId,
        cut: &CutId,
        off: bool,
    ) -> v1::ServiceNotice {
        let course = cuts.course(cut);
        let made = course.and_then(|course| course.made()).map(|made| made.judged().at);
        let direction = course.and_then(|course| course.cut()).map(|cut| cut.direction);
        let services: Vec<_> = directory.services().filter(|service| service.host == *other).collect();
        let agreed = services.iter().filter_map(|service| directory.agreed(service));
        let instead: Vec<_> =
            agreed.filter(|(fallback, _)| cuts.is_off(&fallback.host, &self.tenant).is_none()).collect();
        let said = Said {
            tenant: other.to_string(),
            services: services.iter().map(|service| service.id.to_string()).collect(),
            // Since when it is back is when this is said.
            at: if off { made.unwrap_or_else(Timestamp::now) } else { Timestamp::now() },
            instead: instead.iter().map(|(fallback, words)| with_terms(&fallback.id, words)).collect(),
            off,
        };
        let in_welsh = [&self.tenant, other].iter().any(|tenant| tenant.nation() == Nation::Wales);
        v1::ServiceNotice {
            text: said.in_english(),
            text_cy: if in_welsh { said.in_welsh() } else { String::new() },
            tenant: said.tenant,
            services: said.services,
            off,
            since: Some(time_to_wire(said.at)),
            instead: instead.iter().map(|(fallback, _)| fallback.id.to_string()).collect(),
            direction: direction.map(|direction| direction.as_str().to_owned()).unwrap_or_default(),
            cut: cut.to_string(),
        }
    }
}

/// A fallback with what its host has agreed to.
fn with_terms(fallback: &ServiceId, words: &[&TakesOver]) -> String {
    let terms: Vec<_> = words.iter().map(ToString::to_string).collect();
    format!("{fallback} ({})", terms.join(" or "))
}

/// What a notice says, in words.
struct Said {
    tenant: String,
    services: Vec<String>,
    at: Timestamp,
    instead: Vec<String>,
    off: bool,
}

impl Said {
    fn in_english(&self) -> String {
        let (tenant, at) = (&self.tenant, self.at());
        if !self.off {
            return format!(
                "{tenant} is back since {at}. Send to it as before; what waited for it goes on by itself."
            );
        }
        let services = self.listed("", |all| format!(" ({all})"));
        let instead = match self.instead.is_empty() {
            true => "Phone it: urgent referrals to it are refused or given back at once, routine ones wait."
                .to_owned(),
            false => format!(
                "Instead, {} takes what is for it where that is agreed; phone what it does not take.",
                self.instead.join(", ")
            ),
        };
        format!(
            "{tenant}{services} is cut off since {at}. Do not trust what came from it since then before somebody has \
             looked at it. {instead}"
        )
    }

    fn in_welsh(&self) -> String {
        let (tenant, at) = (&self.tenant, self.at());
        if !self.off {
            return format!(
                "Mae {tenant} yn ôl ers {at}. Anfonwch ato fel o'r blaen; bydd yr hyn a oedd yn aros amdano yn mynd \
                 yn ei flaen ohono'i hun."
            );
        }
        let services = self.listed("", |all| format!(" ({all})"));
        let instead = match self.instead.is_empty() {
            true => "Ffoniwch ef: caiff atgyfeiriadau brys ato eu gwrthod neu eu dychwelyd ar unwaith, ac mae'r rhai \
                     arferol yn aros."
                .to_owned(),
            false => format!(
                "Yn lle hynny, mae {} yn cymryd yr hyn sydd ar ei gyfer lle cytunwyd ar hynny; ffoniwch ynghylch yr \
                 hyn nad yw'n ei gymryd.",
                self.instead.join(", ")
            ),
        };
        format!(
            "Mae {tenant}{services} wedi'i ddatgysylltu ers {at}. Peidiwch ag ymddiried yn yr hyn a ddaeth oddi wrtho \
             ers hynny nes bod rhywun wedi edrych arno. {instead}"
        )
    }

    fn listed(&self, none: &str, some: impl Fn(String) -> String) -> String {
        if self.services.is_empty() { none.to_owned() } else { some(self.services.join(", ")) }
    }

    fn at(&self) -> String {
        self.at.strftime("%Y-%m-%d %H:%M UTC").to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(off: bool, instead: &[&str]) -> Said {
        Said {
            tenant: "wales/wast-111".into(),
            services: vec!["wales/wast-111-triage".into()],
            at: "2026-07-01T09:00:30Z".parse().unwrap(),
            instead: instead.iter().map(ToString::to_string).collect(),
            off,
        }
    }

    #[test]
    fn a_notice_says_what_is_off_since_when_and_what_to_do_in_both_languages() {
        let check = |text: String, words: &[&str]| {
            for word in words {
                assert!(text.contains(word), "{word} in {text}");
            }
        };
        let all = ["wales/wast-111", "wales/wast-111-triage", "2026-07-01 09:00 UTC"];
        check(said(true, &[]).in_english(), &[&all[..], &["is cut off", "Phone it"]].concat());
        check(said(true, &[]).in_welsh(), &[&all[..], &["wedi'i ddatgysylltu", "Ffoniwch"]].concat());
        let with = ["wales/cardiff-ooh"];
        check(said(true, &with).in_english(), &["Instead, wales/cardiff-ooh"]);
        check(said(true, &with).in_welsh(), &["Yn lle hynny, mae wales/cardiff-ooh"]);
        check(said(false, &[]).in_english(), &["wales/wast-111 is back since 2026-07-01 09:00 UTC"]);
        check(said(false, &[]).in_welsh(), &["yn ôl ers 2026-07-01 09:00 UTC"]);
    }
}
