//! The script that becomes the program: its environment, its arguments, each quoted.

use std::fmt::Write;
use std::path::PathBuf;

use super::Program;
use super::template::Names;

/// Why a program cannot be made ready for a run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProgramError {
    /// A template names what there is not.
    #[error(
        "`{text}` names `{{{name}}}`: expected one of `{}`; write {{{{ and }}}} for braces", known.join("`, `")
    )]
    Unknown {
        /// The name.
        name: String,
        /// The template.
        text: String,
        /// What it may name.
        known: Vec<String>,
    },
    /// A brace without its fellow.
    #[error("`{text}` has a single brace: write {{{{ and }}}} for braces, {{name}} for a value")]
    Brace {
        /// The template.
        text: String,
    },
    /// No process can be given such a text.
    #[error("{what}: expected a text without NUL characters, found {text:?}")]
    Nul {
        /// What it was for.
        what: String,
        /// The text.
        text: String,
    },
    /// A variable's name that no shell takes.
    #[error(
        "environment variable `{name}`: expected letters, digits and `_`, not beginning with a digit"
    )]
    Variable {
        /// The name.
        name: String,
    },
    /// Two parameters would be in one variable.
    #[error(
        "parameters `{first}` and `{second}` would both be in the variable `{variable}`: rename one of them"
    )]
    SameVariable {
        /// One parameter.
        first: String,
        /// The other.
        second: String,
        /// The variable.
        variable: String,
    },
    /// The program's own name.
    #[error("expected the name or path of a program, found `{program}`")]
    Program {
        /// What was given.
        program: String,
    },
    /// A limit that is none.
    #[error("limit `{limit}`: expected {expected}, found {found}")]
    Limit {
        /// The limit.
        limit: &'static str,
        /// What it may be.
        expected: &'static str,
        /// What it is.
        found: f64,
    },
    /// The folder's path cannot be given to a program.
    #[error("expected a path in UTF-8, found `{}`", path.display())]
    Path {
        /// The path.
        path: PathBuf,
    },
    /// What is to be copied into the run's folder is not there, or is no file.
    #[error("`{}`: expected a file, found none", path.display())]
    NoFile {
        /// Its path.
        path: PathBuf,
    },
    /// A file would take the place of another in the run's folder.
    #[error("`{}`: expected another name, since `{name}` is taken in the run's folder", path.display())]
    NameTaken {
        /// Its path.
        path: PathBuf,
        /// Its name.
        name: String,
    },
    /// A file could not be read or written.
    #[error("cannot {action} `{}`", path.display())]
    File {
        /// What was to be done.
        action: &'static str,
        /// With what.
        path: PathBuf,
        /// Why it could not.
        source: std::io::Error,
    },
}

/// Quotes a text for `sh`: whatever is in it, it is one word, and nothing of it is read.
pub fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// The script that sets the environment and becomes the program.
pub(super) fn script(program: &Program, names: &Names<'_>) -> Result<String, ProgramError> {
    if program.program.is_empty() || program.program.starts_with('-') {
        return Err(ProgramError::Program { program: program.program.clone() });
    }
    let mut text = String::from(
        "# The program of this run. To run it by hand, in this folder: sh krige/program.sh <parameters.json\n",
    );
    for (name, value) in &names.run {
        let variable = format!("KRIGE_{}", name.to_uppercase());
        export(&mut text, &variable, value)?;
    }
    let mut taken: Vec<(String, &str)> = Vec::new();
    for (name, value) in names.parameters.iter() {
        let variable = variable_of(name);
        if let Some((_, first)) = taken.iter().find(|(other, _)| *other == variable) {
            let (first, second) = ((*first).to_owned(), name.to_owned());
            return Err(ProgramError::SameVariable { first, second, variable });
        }
        export(&mut text, &variable, &value.to_string())?;
        taken.push((variable, name));
    }
    for (name, value) in &program.env {
        export(&mut text, name, &names.render(value)?)?;
    }
    if let Some(directory) = &program.directory {
        let directory = checked("the directory", names.render(directory)?)?;
        // Not `-P`, and a leading dash is no option after `--`. `CDPATH` would look for it elsewhere first, and print where.
        let _ = writeln!(text, "CDPATH= cd -- {} || exit 126", quoted(&directory));
    }
    let _ = write!(text, "exec {}", quoted(&checked("the program", program.program.clone())?));
    for arg in &program.args {
        let _ = write!(text, " {}", quoted(&checked("an argument", names.render(arg)?)?));
    }
    text.push('\n');
    Ok(text)
}

/// The variable in which a parameter is handed over.
fn variable_of(parameter: &str) -> String {
    let usable = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    format!("KRIGE_PARAM_{}", parameter.chars().map(usable).collect::<String>())
}

fn export(script: &mut String, name: &str, value: &str) -> Result<(), ProgramError> {
    let mut characters = name.chars();
    let begins = characters.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
    if !begins || !characters.all(|c| c.is_ascii_alphanumeric() || c == '_') {
        return Err(ProgramError::Variable { name: name.to_owned() });
    }
    let value = checked(name, value.to_owned())?;
    let _ = writeln!(script, "export {name}={}", quoted(&value));
    Ok(())
}

fn checked(what: &str, text: String) -> Result<String, ProgramError> {
    if text.contains('\0') {
        return Err(ProgramError::Nul { what: what.to_owned(), text });
    }
    Ok(text)
}
