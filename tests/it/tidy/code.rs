//! A source file without its comments and without what stands in its literals.
//!
//! Rules about code look at this, so that a word in a comment, in a message or in a rule's own test breaks no rule.

/// Stands for every character of a literal.
pub(super) const LITERAL: char = '·';

/// Blanks comments, and puts [`LITERAL`] in the place of literals; every character stays in its place.
pub(super) fn code(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut code = String::with_capacity(text.len());
    let mut i = 0;
    while i < chars.len() {
        let end = end_of_blank(&chars, i);
        if end == i {
            code.push(chars[i]);
            i += 1;
        } else {
            let blank = if chars[i] == '/' { ' ' } else { LITERAL };
            let blanked = |c: &char| if *c == '\n' { '\n' } else { blank };
            code.extend(chars[i..end.min(chars.len())].iter().map(blanked));
            i = end;
        }
    }
    code
}

/// Where the comment or literal that begins at `i` ends; `i` if none begins there.
fn end_of_blank(chars: &[char], i: usize) -> usize {
    let at = |place: usize| chars.get(place).copied().unwrap_or('\0');
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let within_word = i > 0 && is_word(at(i - 1)) && !matches!(at(i - 1), 'b' | 'c');
    match (at(i), at(i + 1)) {
        ('/', '/') => i + chars[i..].iter().take_while(|c| **c != '\n').count(),
        ('/', '*') => end_of_block(chars, i),
        ('"', _) => end_of_quote(chars, i, '"'),
        ('\'', '\\') => end_of_quote(chars, i, '\''),
        // Without the second quote it is a lifetime.
        ('\'', _) if at(i + 2) == '\'' => i + 3,
        ('r', '"' | '#') if !within_word => {
            let hashes = chars[i + 1..].iter().take_while(|c| **c == '#').count();
            let open = i + 1 + hashes;
            if at(open) != '"' {
                return i; // `r#type` is a name.
            }
            let closes =
                |&place: &usize| at(place) == '"' && (1..=hashes).all(|k| at(place + k) == '#');
            (open + 1..chars.len()).find(closes).map_or(chars.len(), |place| place + 1 + hashes)
        }
        _ => i,
    }
}

fn end_of_block(chars: &[char], start: usize) -> usize {
    let (mut i, mut depth) = (start, 0);
    while i < chars.len() {
        match (chars[i], chars.get(i + 1)) {
            ('/', Some('*')) => (i, depth) = (i + 2, depth + 1),
            ('*', Some('/')) => (i, depth) = (i + 2, depth - 1),
            _ => i += 1,
        }
        if depth == 0 {
            break;
        }
    }
    i
}

fn end_of_quote(chars: &[char], start: usize, quote: char) -> usize {
    let mut i = start + 1;
    while i < chars.len() && chars[i] != quote {
        i += if chars[i] == '\\' { 2 } else { 1 };
    }
    i + 1
}

/// Runs of what is blanked are shortened to one character.
#[track_caller]
fn check(text: &str, expected: &str) {
    let found = code(text);
    assert_eq!(found.chars().count(), text.chars().count(), "characters keep their places");
    let mut short: Vec<char> = found.chars().collect();
    short.dedup_by(|a, b| a == b && matches!(*a, ' ' | LITERAL));
    assert_eq!(short.into_iter().collect::<String>(), expected);
}

#[test]
fn comments_are_blanked() {
    check("a // b\nc", "a \nc");
    check("//! b\n/// b\nc", " \n \nc");
    check("a /* b /* b */ b\n b */ c", "a \n c");
    check("a / b * c", "a / b * c");
}

#[test]
fn literals_are_marked() {
    check(r#"a("b \" // b", c)"#, "a(·, c)");
    check("a(r\"b \\\", c)", "a(·, c)");
    check("a(r#\"b \" b\n\"#, c)", "a(·\n·, c)");
    check("a(br##\"b \"# b\"##, c)", "a(b·, c)");
    check(r"a('b', '\'', '\u{1F600}', b'\\', c)", "a(·, ·, ·, b·, c)");
}

#[test]
fn lifetimes_and_raw_names_are_code() {
    let code = "fn f<'a, 'b>(x: &'a str, r#type: r) -> &'static str";
    check(code, code);
    check("bar\"b\" c", "bar· c");
}

#[test]
fn an_open_literal_ends_with_the_file() {
    check("a \"b", "a ·");
    check("a r#\"b", "a ·");
    check("a /* b", "a ");
    check("a '\\", "a ·");
}
