//! Realistic referrals for simulators, demonstrations and benches: from a 111 service to an out-of-hours GP,
//! of a requested size, the same for the same seed.
//!
//! Everybody in them is invented. NHS numbers are of the range 999 000 0000 to 999 999 9999, which is for
//! tests and never given out, postcodes are of ZZ99, telephone numbers of Ofcom's ranges for drama.

mod build;
mod random;
mod words;

use jiff::{Timestamp, ToSpan};
use uuid::Uuid;

use crate::accept::{Accept, Version};
use crate::classify::Profile;
use crate::document::{Document, Syntax};
use crate::headers::{Ids, RequestHeaders};
use crate::systems::Identifier;
use random::Random;

/// A service at one end of a sample.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SampleService {
    /// The id in the Directory of Services.
    pub dos: String,
    /// The ODS code of the organisation.
    pub ods: String,
    /// The name of the organisation. Wales has literal names instead.
    pub name: String,
}

impl SampleService {
    /// A service.
    pub fn new(dos: &str, ods: &str, name: &str) -> Self {
        Self { dos: dos.to_owned(), ods: ods.to_owned(), name: name.to_owned() }
    }
}

/// A referral to be made. Change what matters and call [`SampleReferral::build`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SampleReferral {
    /// The same seed makes the same patient, the same words and the same ids.
    pub seed: u64,
    /// The size of the written message in bytes, reached within a percent from about 6 KB on. What the
    /// profile demands takes about 4 KB in JSON; nothing smaller is made.
    pub size: usize,
    /// When it is written.
    pub at: Timestamp,
    /// Where it comes from.
    pub source: SampleService,
    /// Where it goes.
    pub destination: SampleService,
    /// The use case; `a1t10` is 111 to urgent and emergency care.
    pub use_case: String,
    /// The Dx code, its meaning and its minutes; `None` takes one from the seed.
    pub disposition: Option<(&'static str, &'static str, u32)>,
    /// Whether there is a safeguarding flag.
    pub safeguarding: bool,
    /// Whose rules it keeps.
    pub profile: Profile,
}

/// The people and codes of a sample, for checking what came out at the other end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SampleFacts {
    /// The NHS number.
    pub nhs_number: String,
    /// The family name.
    pub family: &'static str,
    /// The given name.
    pub given: &'static str,
    /// The gender.
    pub gender: &'static str,
    /// The date of birth.
    pub birth_date: String,
    /// The number to call back.
    pub callback: String,
    /// The Dx code.
    pub disposition: &'static str,
    /// By when.
    pub due: Timestamp,
}

impl SampleReferral {
    /// A referral of 57 KB, the median size of a real 111 message.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            size: 57 * 1024,
            at: Timestamp::from_second(1_767_607_200).unwrap_or_default(),
            source: SampleService::new("2000099111", "NZ111", "Marling Vale NHS 111"),
            destination: SampleService::new("2000099222", "NZ222", "Saltmouth Out of Hours GP Service"),
            use_case: "a1t10".to_owned(),
            disposition: None,
            safeguarding: seed.is_multiple_of(5),
            profile: Profile::England,
        }
    }

    /// The same with another size.
    #[must_use]
    pub fn sized(mut self, bytes: usize) -> Self {
        self.size = bytes;
        self
    }

    /// The same between other services.
    #[must_use]
    pub fn between(mut self, source: SampleService, destination: SampleService) -> Self {
        (self.source, self.destination) = (source, destination);
        self
    }

    /// The referral as a message, made for that syntax.
    pub fn build(&self, syntax: Syntax) -> Document {
        build::referral(self, syntax)
    }

    /// The cancellation of the same referral.
    pub fn cancel(&self, syntax: Syntax) -> Document {
        build::cancel(self, syntax)
    }

    /// `Bundle.id` of the referral.
    pub fn bundle_id(&self) -> Uuid {
        self.id("bundle")
    }

    /// The headers of the referral. A cancellation has an `X-Request-Id` of its own.
    pub fn headers(&self, syntax: Syntax) -> RequestHeaders {
        RequestHeaders {
            ids: Ids { request: self.id("request").into(), correlation: self.id("correlation").into() },
            target: Identifier::dos(&self.destination.dos),
            content: syntax,
            accept: Accept::new(syntax, Version(1, 2, 0)),
            context: Vec::new(),
        }
    }

    /// Who and what is in it.
    pub fn facts(&self) -> SampleFacts {
        let mut random = Random::new(self.seed);
        let (given, gender) = random.pick(&words::GIVEN);
        let family = random.pick(&words::FAMILY);
        let nhs_number = test_number(&mut random);
        let birth = (1930 + random.below(90), 1 + random.below(12), 1 + random.below(28));
        let callback = format!("07700 900{:03}", random.below(1000));
        let chosen = random.pick(&words::DISPOSITION);
        let (disposition, _, minutes) = self.disposition.unwrap_or(chosen);
        SampleFacts {
            nhs_number,
            family,
            given,
            gender,
            birth_date: format!("{}-{:02}-{:02}", birth.0, birth.1, birth.2),
            callback,
            disposition,
            due: self.at.checked_add(i64::from(minutes).minutes()).unwrap_or(self.at),
        }
    }

    /// An id that belongs to this seed and that name.
    pub(crate) fn id(&self, name: &str) -> Uuid {
        let space = Uuid::from_u64_pair(0x6275_6c6b_6865_6164, self.seed);
        Uuid::new_v5(&space, name.as_bytes())
    }
}

/// A number of the test range with a right check digit (NHS Data Dictionary, NHS NUMBER).
fn test_number(random: &mut Random) -> String {
    loop {
        let nine = format!("999{:06}", random.below(1_000_000));
        let sum: u32 =
            nine.chars().zip((2..=10).rev()).map(|(c, weight)| c.to_digit(10).unwrap_or(0) * weight).sum();
        match 11 - sum % 11 {
            10 => {}
            11 => return format!("{nine}0"),
            check => return format!("{nine}{check}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::Bundle;
    use crate::message::{BarsMessage, Rules};
    use crate::profile;
    use crate::view::ReferralView;
    use crate::{Limits, MessageKind};

    fn written(sample: &SampleReferral, syntax: Syntax) -> Vec<u8> {
        sample.build(syntax).write().expect("a sample can be written")
    }

    #[test]
    fn samples_have_their_size() {
        for syntax in [Syntax::Json, Syntax::Xml] {
            for size in [2 * 1024, 57 * 1024, 437 * 1024] {
                let bytes = written(&SampleReferral::new(7).sized(size), syntax).len();
                match size {
                    2048 => assert!(bytes < 8 * 1024, "{syntax:?} {bytes}"),
                    _ => assert!(bytes.abs_diff(size) * 100 <= size, "{syntax:?} {size} {bytes}"),
                }
            }
        }
    }

    #[test]
    fn samples_are_good_messages() {
        for seed in 0..20 {
            for profile in [Profile::England, Profile::WalesNwri] {
                for (size, syntax) in [(2048, Syntax::Json), (2048, Syntax::Xml), (20_000, Syntax::Json)] {
                    let sample = SampleReferral { profile, ..SampleReferral::new(seed).sized(size) };
                    let rules = Rules { profile, ..Rules::default() };
                    let bytes = written(&sample, syntax);
                    let document = Document::read(&bytes, syntax, &Limits::default()).expect("readable");
                    let message = BarsMessage::read_with(&document, &rules).expect("a message");
                    assert_eq!(message.kind, MessageKind::NewReferral);
                    assert_eq!(
                        profile::missing(&Bundle::of(&document).expect("a bundle"), &message, profile),
                        [""; 0]
                    );
                    assert_eq!(
                        message.check_target(&sample.headers(syntax).target, Profile::England),
                        Ok(())
                    );
                    let cancel =
                        BarsMessage::read_with(&sample.cancel(syntax), &rules).expect("a cancellation");
                    assert_eq!(cancel.kind, MessageKind::Cancel);
                    assert_eq!(cancel.request.id, message.request.id);
                    assert_eq!(profile::check(&sample.cancel(syntax), &cancel, profile), Ok(()));
                }
            }
        }
    }

    #[test]
    fn facts_are_what_a_reader_sees() {
        let sample = SampleReferral::new(10);
        let (facts, view) = (sample.facts(), ReferralView::read(&sample.build(Syntax::Xml)).expect("a view"));
        let patient = view.patient.as_ref().expect("a patient");
        assert_eq!(patient.nhs_number().map(|n| n.id.value.as_str()), Some(facts.nhs_number.as_str()));
        assert_eq!(patient.names[0].family.as_deref(), Some(facts.family));
        assert_eq!(patient.birth_date.as_deref(), Some(facts.birth_date.as_str()));
        assert_eq!(view.callback.as_ref().and_then(|c| c.value.as_deref()), Some(facts.callback.as_str()));
        assert_eq!(view.dispositions[0].code.as_deref(), Some(facts.disposition));
        assert_eq!(view.end.as_ref().and_then(crate::When::at), Some(facts.due));
        assert!(view.is_flagged("SG"));
        assert_eq!(written(&sample, Syntax::Json), written(&sample, Syntax::Json));
    }
}
