//! Requests, notes, late data and what people should look at.

use krige_core::control::Control;

use super::*;
use crate::health::FindingKind;

#[test]
fn requests_reach_every_client_of_the_experiment() {
    let journal = SharedJournal::new();
    let mut client = minimizing(journal.clone());
    let mut elsewhere = Client::load_from_journal(journal, "bath").expect("opened");
    client.control(Control::Pause).expect("asked");
    client.control(Control::Parallelism { trials: 7 }).expect("asked");
    let found = elsewhere.health().expect("looked over");
    assert_eq!(found.iter().map(|f| f.kind).collect::<Vec<_>>(), [FindingKind::Paused]);
    assert_eq!(experiment(&elsewhere).controls.parallelism, Some(7));
    elsewhere.control(Control::Resume).expect("asked");
    assert_eq!(client.health().expect("looked over"), []);
    let refused = client.control(Control::Parallelism { trials: 0 }).expect_err("nonsense");
    assert!(refused.to_string().contains("pause"), "{refused}");
}

#[test]
fn notes_are_kept_with_their_trial_and_their_time() {
    let mut client = minimizing(SharedJournal::new());
    let trial = client.attach_trial(point(1.0, 1, "water"), None).expect("attached");
    client.add_note(Some(trial), "a spill").expect("noted");
    client.add_note(None, "new batch").expect("noted");
    let notes: Vec<_> =
        experiment(&client).notes.iter().map(|note| (note.trial, note.text.as_str())).collect();
    assert_eq!(notes, [(Some(trial), "a spill"), (None, "new batch")]);
    assert!(client.add_note(Some(9), "of nothing").is_err());
}

#[test]
fn data_of_a_failed_trial_are_evidence_and_no_result() {
    let mut client = minimizing(SharedJournal::new());
    let trial = client.attach_trial(point(1.0, 1, "water"), None).expect("attached");
    client.mark_trial_failed(trial, Some("no answer")).expect("failed");
    client.attach_data(trial, [("y", -100.0)]).expect("attached");
    let known = &experiment(&client).trials[trial];
    assert!(known.late);
    assert_eq!(known.observation("y").map(|o| o.mean), Some(-100.0));
    assert_eq!(known.status(), TrialStatus::Failed);
    assert!(client.get_best_parameterization(false).is_err());
}

#[test]
fn who_has_a_trial_in_hand_is_waited_for() {
    let mut client = minimizing(SharedJournal::new());
    assert_eq!(client.waiting_for().expect("looked"), None);
    client.get_next_trials(1).expect("proposed");
    let waiting = client.waiting_for().expect("looked").expect("one is out");
    assert!(waiting.contains("whoever was handed it"), "{waiting}");
    assert!(client.resume_trials().is_err(), "there was no run");
}
