//! What a job asks Slurm for.

use serde::{Deserialize, Serialize};

/// What every run's job asks for. What is not given is what the cluster gives by default.
///
/// ```
/// use krige_slurm::Resources;
///
/// let resources = Resources {
///     partition: Some("gpu".into()),
///     time_limit_minutes: Some(90),
///     memory: Some("16G".into()),
///     gpus: Some("1".into()),
///     setup: vec!["module load cuda".into()],
///     options: vec!["--reservation=beamtime".into()],
///     ..Resources::default()
/// };
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Resources {
    /// `--partition`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partition: Option<String>,
    /// `--account`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// `--qos`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub qos: Option<String>,
    /// `--time`, in minutes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_limit_minutes: Option<u32>,
    /// `--mem`: of each node, as `500M` or `16G`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<String>,
    /// `--cpus-per-task`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpus_per_task: Option<u32>,
    /// `--gpus`: how many, or of which kind, as `2` or `a100:1`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gpus: Option<String>,
    /// `--constraint`: features of nodes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub constraint: Option<String>,
    /// `--nodes`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nodes: Option<u32>,
    /// `--ntasks`: how many processes `srun` starts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ntasks: Option<u32>,
    /// Further options of `sbatch`, each as one text in its long form: `--exclusive`, `--reservation=beamtime`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<String>,
    /// Lines of bash that are run before the program, in the run's folder: `module load cuda`. If one ends the shell, the
    /// program is not run.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub setup: Vec<String>,
    /// What starts the program on the nodes, as it would stand before it: `["srun"]`, `["apptainer", "exec", "image.sif"]`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub launcher: Vec<String>,
}

/// A request that no job may make.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum ResourcesError {
    /// It is no single option.
    #[error(
        "option `{option}`: expected one option in its long form, as `--name=value`, in a text of its own"
    )]
    Form {
        /// What was given.
        option: String,
    },
    /// krige needs it for itself.
    #[error(
        "option `{option}`: `--{name}` is set by krige and cannot be set otherwise: take it out"
    )]
    Taken {
        /// What was given.
        option: String,
        /// What it would set.
        name: &'static str,
    },
    /// No process can be given such a text.
    #[error("{what}: expected a text without NUL characters, found {text:?}")]
    Nul {
        /// Where it is.
        what: &'static str,
        /// The text.
        text: String,
    },
}

/// Options of `sbatch` on which it depends that a run is run once, and found again.
const TAKEN: [&str; 19] = [
    "array",
    "chdir",
    "clusters",
    "comment",
    "dependency",
    "error",
    "help",
    "hold",
    "job-name",
    "no-requeue",
    "open-mode",
    "output",
    "parsable",
    "requeue",
    "test-only",
    "usage",
    "version",
    "wait",
    "wrap",
];

impl Resources {
    /// Whether Slurm is to signal jobs some time before their time limit.
    pub(crate) fn warn(&self) -> bool {
        self.options.iter().any(|option| option.starts_with("--sig"))
    }

    /// The arguments of `sbatch`. They are arguments and not `#SBATCH` lines of a script, so that nothing in a value can be
    /// taken for another option.
    ///
    /// # Errors
    /// If an option would change what krige depends on.
    pub(crate) fn arguments(&self) -> Result<Vec<String>, ResourcesError> {
        let numbers = [
            ("time", self.time_limit_minutes),
            ("cpus-per-task", self.cpus_per_task),
            ("nodes", self.nodes),
            ("ntasks", self.ntasks),
        ];
        let texts = [
            ("partition", &self.partition),
            ("account", &self.account),
            ("qos", &self.qos),
            ("mem", &self.memory),
            ("gpus", &self.gpus),
            ("constraint", &self.constraint),
        ];
        let mut arguments = Vec::new();
        for option in &self.options {
            arguments.push(free(option)?.to_owned());
        }
        for (name, text) in texts {
            arguments.extend(text.as_ref().map(|text| format!("--{name}={text}")));
        }
        for (name, number) in numbers {
            arguments.extend(number.map(|number| format!("--{name}={number}")));
        }
        without_nul("an option of `sbatch`", &arguments)?;
        without_nul("a line of `setup`", &self.setup)?;
        without_nul("`launcher`", &self.launcher)?;
        Ok(arguments)
    }
}

/// An option that is one, and not krige's own.
fn free(option: &str) -> Result<&str, ResourcesError> {
    let form = || ResourcesError::Form { option: option.to_owned() };
    let name = option.strip_prefix("--").ok_or_else(form)?;
    let name = name.split('=').next().unwrap_or_default();
    if name.is_empty()
        || !name.bytes().all(|b| b.is_ascii_lowercase() || b == b'-' || b.is_ascii_digit())
    {
        return Err(form());
    }
    // `sbatch` takes the beginning of a name for the name.
    let taken = TAKEN.into_iter().find(|taken| taken.starts_with(name));
    match taken {
        // These are names of their own.
        _ if ["no-kill", "wait-all-nodes", "wckey", "exclude", "export"].contains(&name) => {
            Ok(option)
        }
        Some(name) => Err(ResourcesError::Taken { option: option.to_owned(), name }),
        None => Ok(option),
    }
}

fn without_nul(what: &'static str, texts: &[String]) -> Result<(), ResourcesError> {
    match texts.iter().find(|text| text.contains('\0')) {
        Some(text) => Err(ResourcesError::Nul { what, text: text.clone() }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_asked_for_is_no_argument() {
        assert_eq!(Resources::default().arguments(), Ok(vec![]));
        let text = serde_json::to_string(&Resources::default()).expect("plain data");
        assert_eq!(text, "{}");
    }

    #[test]
    fn every_field_is_an_argument_whatever_is_in_it() {
        let hostile = "x\n#SBATCH --wrap=evil 'a' $(b) `c`";
        let resources = Resources {
            partition: Some(hostile.into()),
            account: Some("a".into()),
            qos: Some("q".into()),
            time_limit_minutes: Some(90),
            memory: Some("16G".into()),
            cpus_per_task: Some(4),
            gpus: Some("a100:1".into()),
            constraint: Some("ib&ssd".into()),
            nodes: Some(2),
            ntasks: Some(8),
            options: vec!["--exclusive".into(), "--mail-type=END".into()],
            ..Resources::default()
        };
        let expected = [
            "--exclusive",
            "--mail-type=END",
            &format!("--partition={hostile}"),
            "--account=a",
            "--qos=q",
            "--mem=16G",
            "--gpus=a100:1",
            "--constraint=ib&ssd",
            "--time=90",
            "--cpus-per-task=4",
            "--nodes=2",
            "--ntasks=8",
        ];
        assert_eq!(resources.arguments().expect("they are all free"), expected);
    }

    #[test]
    fn what_krige_depends_on_cannot_be_set() {
        let error = |option: &str| {
            let options = vec![option.to_owned()];
            Resources { options, ..Resources::default() }.arguments().expect_err("it is refused")
        };
        for option in [
            "--array=0-9",
            "--arr=0-9",
            "--wrap=x",
            "--job-name=x",
            "--no-requeue",
            "--wait",
            "--out=x",
        ] {
            assert!(matches!(error(option), ResourcesError::Taken { .. }), "{option}");
        }
        for option in ["-a0-9", "script.sh", "", "--", "--=x", "--a b", "--exclusive --wait", "-p"]
        {
            assert!(matches!(error(option), ResourcesError::Form { .. }), "{option}");
        }
        assert!(matches!(error("--mail-user=a\0b"), ResourcesError::Nul { .. }));
    }

    #[test]
    fn names_that_only_begin_alike_are_free() {
        for option in [
            "--wckey=x",
            "--exclude=n1",
            "--export=ALL",
            "--wait-all-nodes=1",
            "--no-kill",
            "--mem-per-cpu=1G",
        ] {
            assert_eq!(free(option), Ok(option));
        }
    }
}
