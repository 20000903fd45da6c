//! Plans that fail, that are not allowed, or that get what they cannot use.

use krige::prelude::*;
use krige_bluesky::manager::{ScriptOptions, TaskState};
use krige_bluesky::{Actuator, QueueserverRunner};
use serde_json::Value;

use super::*;

#[test]
fn a_plan_that_fails_fails_its_trial_with_what_it_said() {
    bounded(|| {
        let stack = manager_only();
        let manager = operator(&stack);
        let kwargs = [("fail_after".to_owned(), Value::from(0))].into_iter().collect();
        let failing = QueueserverRunner { kwargs, ..runner(&stack, "fail_mid_run") };
        let launched = launch(&failing, 0);
        assert_eq!(
            failure(&failing, 0, &launched),
            "Plan failed: simulated failure after 0 points"
        );
        let failing = runner(&stack, "fail_before_run");
        let launched = launch(&failing, 1);
        assert_eq!(
            failure(&failing, 1, &launched),
            "Plan failed: simulated failure before open_run"
        );
        // Of several trials in one plan, all fail.
        let runs = [2, 3].map(|trial| (run_of(trial), point()));
        let both = failing.run_trials(&runs);
        for (trial, launched) in (2..).zip(both) {
            let reason = failure(&failing, trial, &launched.expect("it is launched"));
            assert_eq!(reason, "Plan failed: simulated failure before open_run");
        }
        let script =
            "def no_run(suggestions, actuators, sensors=None):\n    yield from bps.null()\n";
        let options = ScriptOptions { update_lists: true, ..ScriptOptions::default() };
        let task = manager.script_upload(script, options).expect("it is taken");
        wait_for("the end of the script", || {
            let result = manager.task_result(&task).expect("a result");
            (result.status == TaskState::Completed).then_some(())
        });
        let without = runner(&stack, "no_run");
        let launched = launch(&without, 4);
        assert_eq!(
            failure(&without, 4, &launched),
            "the plan completed without opening a run, so there are no data"
        );
        completes(&runner(&stack, "default_acquire"), 5);
        assert_eq!(manager.queue_get().expect("a queue").items, []);
    });
}

#[test]
fn what_cannot_be_run_is_refused_with_its_reason_and_nothing_runs() {
    bounded(|| {
        let stack = manager_only();
        let plain = runner(&stack, "default_acquire");

        let reason = refused(&runner(&stack, "nosuch"), &point());
        assert!(
            reason.starts_with("plan `nosuch` is not among those that the RE Manager allows: `"),
            "{reason}"
        );
        assert!(reason.contains("`default_acquire`"), "{reason}");

        let actuators = vec![Actuator::of("motor1", "motor9")];
        let reason = refused(&QueueserverRunner { actuators, ..apart(&plain) }, &point());
        assert!(
            reason.starts_with("device `motor9` is not among those that the RE Manager allows: `"),
            "{reason}"
        );
        assert!(reason.contains("`motor1`"), "{reason}");

        let sensors = vec!["eye".to_owned()];
        let reason = refused(&QueueserverRunner { sensors, ..apart(&plain) }, &point());
        assert!(reason.starts_with("device `eye` is not among"), "{reason}");

        let mut word: Parameterization = [("motor1", "motor2")].into();
        word.insert("motor2", 1.0);
        assert_eq!(
            refused(&plain, &word),
            "parameter `motor1` has the value `motor2`, which is the name of a device or a plan: the RE Manager would replace it \
             by the device; choose another word"
        );
        let reason = refused(&plain, &[("motor1", 1.0)].into());
        assert_eq!(
            reason,
            "the trial has no value for parameter `motor2`, which an actuator of the runner names"
        );
        let reason = refused(&plain, &[("motor1", f64::NAN), ("motor2", 1.0)].into());
        assert!(reason.contains("finite"), "{reason}");

        // It takes other arguments than those of an acquisition plan.
        let reason = refused(&runner(&stack, "move_only"), &point());
        assert!(reason.contains("too many positional arguments"), "{reason}");
        assert!(reason.contains("correct the arguments of the item"), "{reason}");

        let of_group = |group: &str| {
            let mut of_group = apart(&plain);
            of_group.manager.user_group = group.to_owned();
            of_group
        };
        let reason = refused(&of_group("restricted"), &point());
        assert_eq!(
            reason,
            "plan `default_acquire` is not among those that the RE Manager allows: `count`"
        );
        let reason = refused(&of_group("strangers"), &point());
        assert!(reason.contains("user_group_permissions.yaml"), "{reason}");

        assert_eq!(items_of(&operator(&stack), 0), 0);
        completes(&plain, 0);
    });
}
