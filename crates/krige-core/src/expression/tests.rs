//! What is parsed, what is refused, and where the error points.

use insta::assert_snapshot;
use proptest::prelude::*;

use super::*;

fn list_error(text: &str) -> ExpressionError {
    parse_list(text, Dialect::Metrics).unwrap_err()
}

fn comparison_error(text: &str) -> ExpressionError {
    parse_comparison(text, Dialect::Parameters).unwrap_err()
}

#[track_caller]
fn check(text: &str, expected: &str) {
    let expressions = parse_list(text, Dialect::Metrics).unwrap();
    let shown: Vec<String> = expressions.iter().map(ToString::to_string).collect();
    assert_eq!(shown.join(", "), expected);
}

#[test]
fn reads_linear_expressions() {
    check("a", "a");
    check("-hartmann6", "-hartmann6");
    check("2*a - 0.5*b", "2*a - 0.5*b");
    check("a*2 + b/4", "2*a + 0.25*b");
    check("a, -b", "a, -b");
    check("2*(a - (b + 1)/2)*3", "6*a - 3*b - 3");
    check(".5*a + 1e-3*b - 1.*c", "0.5*a + 0.001*b - c");
    check("a - -b", "a + b");
    check("+a", "a");
    check("a + b + a", "2*a + b");
    check("1e300*é1 + x.y_z", "1e300*é1 + x.y_z");
    check("4", "4");
}

#[test]
fn reads_quoted_names() {
    check("\"my metric\"", "\"my metric\"");
    check("'a-b' + `c d`", "\"a-b\" + \"c d\"");
    check("'it''s' + \"a\\\"b\\\\c\"", "\"it's\" + \"a\\\"b\\\\c\"");
    check("'plain'", "plain");
    check("'baseline'", "\"baseline\"");
}

#[test]
fn reads_comparisons() {
    let shown = |text| parse_comparison(text, Dialect::MetricsAndBaseline).unwrap().to_string();
    assert_eq!(shown("a+b<=3"), "a + b <= 3");
    assert_eq!(shown("2*x1 - x2 >= 0.5*x3"), "2*x1 - x2 >= 0.5*x3");
    assert_eq!(shown("q >= .9*baseline"), "q >= 0.9*baseline");
    assert_eq!(shown("'baseline' <= 2"), "\"baseline\" <= 2");
}

#[test]
fn baseline_is_reserved_only_where_bare_and_asked_for() {
    let symbol = |text, dialect| {
        let expressions = parse_list(text, dialect).unwrap();
        expressions[0].terms.keys().next().cloned().unwrap()
    };
    let name = |text: &str| Symbol::Name(text.to_owned());
    assert_eq!(symbol("baseline", Dialect::MetricsAndBaseline), Symbol::Baseline);
    assert_eq!(symbol("'baseline'", Dialect::MetricsAndBaseline), name("baseline"));
    assert_eq!(symbol("baseline_loss", Dialect::MetricsAndBaseline), name("baseline_loss"));
    assert_eq!(symbol("baseline", Dialect::Parameters), name("baseline"));
}

#[test]
fn errors_point_at_their_place() {
    assert_snapshot!(list_error("2* - 0.5*b"), @r"
    expected a metric or a number after `*`:
      2* - 0.5*b
         ^
    ");
    assert_snapshot!(list_error(""), @r"
    expected a metric or a number:
      
      ^
    ");
    assert_snapshot!(list_error("a + "), @r"
    expected a metric or a number after `+`:
      a + 
         ^
    ");
    assert_snapshot!(list_error("a $ b"), @r"
    expected a name, a number or one of `+ - * / ( ) , <= >=`, found `$` (put names with other characters than letters, digits, `_` and `.` in quotes):
      a $ b
        ^
    ");
    assert_snapshot!(list_error("a + 'b c"), @r"
    expected a closing ' for the name that starts here, found the end:
      a + 'b c
          ^
    ");
    assert_snapshot!(list_error("a + ''"), @r"
    expected a name between the quotes, found nothing:
      a + ''
          ^^
    ");
    assert_snapshot!(list_error("1e999*a"), @r"
    expected finite numbers, found one that is larger than 1.8e308:
      1e999*a
      ^^^^^
    ");
    assert_snapshot!(list_error("1e300*a*1e300"), @r"
    expected finite numbers, found one that is larger than 1.8e308:
      1e300*a*1e300
      ^^^^^^^^^^^^^
    ");
    assert_snapshot!(list_error("my metric"), @r"
    expected an operator before `metric` (write products with `*`, and put names with spaces in quotes):
      my metric
         ^^^^^^
    ");
    assert_snapshot!(list_error("é + 2a"), @r"
    expected an operator before `a` (write products with `*`, and put names with spaces in quotes):
      é + 2a
           ^
    ");
    assert_snapshot!(list_error("2*(a + b"), @r"
    expected a `)` for the `(` that stands here:
      2*(a + b
        ^
    ");
    assert_snapshot!(list_error("a + b)"), @r"
    expected an end of the expression, found a `)` without its `(`:
      a + b)
           ^
    ");
    assert_snapshot!(list_error("a*b"), @r"
    expected a linear expression, found the product of `a` and `b`:
      a*b
        ^
    ");
    assert_snapshot!(list_error("m**2"), @r"
    expected a linear expression, found a power:
      m**2
       ^^
    ");
    assert_snapshot!(list_error("log(m)"), @r"
    expected a linear expression, found the function `log` (if that is a name, quote it with its parentheses):
      log(m)
      ^^^
    ");
    assert_snapshot!(list_error("a/(2*b)"), @r"
    expected a number after `/`, found `b`: the expression would not be linear:
      a/(2*b)
        ^^^^^
    ");
    assert_snapshot!(list_error("a/0"), @r"
    expected a divisor other than zero:
      a/0
        ^
    ");
    assert_snapshot!(list_error("a <= 3"), @r"
    expected an expression to maximize, found `<=` (inequalities are constraints):
      a <= 3
        ^^
    ");
    assert_snapshot!(comparison_error("a + b"), @r"
    expected `<=` or `>=` and a bound, found neither:
      a + b
           ^
    ");
    assert_snapshot!(comparison_error("0 <= a <= 1"), @r"
    expected one relation, found a second (write two constraints):
      0 <= a <= 1
             ^^
    ");
    assert_snapshot!(comparison_error("a < 1"), @r"
    expected `<=`, found `<`: a strict bound cannot be told from it:
      a < 1
        ^
    ");
    assert_snapshot!(comparison_error("a == 1"), @r"
    expected `<=` or `>=`, found an equality (remove one parameter and compute it from the others instead):
      a == 1
        ^^
    ");
    assert_snapshot!(comparison_error("a <= 1, b <= 1"), @r"
    expected one expression, found a comma (separate constraints are separate texts):
      a <= 1, b <= 1
            ^
    ");
    assert_snapshot!(comparison_error("a <="), @r"
    expected a parameter or a number after `<=`:
      a <=
          ^
    ");
    assert_snapshot!(list_error("a\n+\n*"), @r"
    expected a metric or a number after `+`:
      a + *
          ^
    ");
}

#[test]
fn deep_parentheses_are_refused_not_fatal() {
    let text = "(".repeat(100_000);
    assert_eq!(list_error(&text).kind, ExpressionErrorKind::TooDeep { limit: 64 });
    let text = format!("{}a{}", "(".repeat(64), ")".repeat(64));
    check(&text, "a");
}

fn expression() -> impl Strategy<Value = LinearExpression> {
    let coefficient = prop_oneof![-4.0..4.0f64, -1e300..1e300f64, Just(1.0), Just(-1.0)]
        .prop_filter("a zero has two signs", |x| *x != 0.0);
    let constant = prop_oneof![Just(0.0), -1e3..1e3f64];
    (prop::collection::vec((".{1,8}", coefficient), 0..4), constant).prop_map(
        |(terms, constant)| LinearExpression {
            terms: terms
                .into_iter()
                .map(|(name, coefficient)| (Symbol::Name(name), Term { coefficient, span: 0..0 }))
                .collect(),
            constant,
            span: 0..0,
        },
    )
}

/// The expression without its places in a text.
fn placeless(mut expression: LinearExpression) -> LinearExpression {
    expression.span = 0..0;
    expression.terms.values_mut().for_each(|term| term.span = 0..0);
    expression
}

proptest! {
    #[test]
    fn display_parses_to_the_same_expression(expression in expression()) {
        let text = expression.to_string();
        for dialect in [Dialect::Parameters, Dialect::Metrics, Dialect::MetricsAndBaseline] {
            let mut parsed = parse_list(&text, dialect).unwrap();
            prop_assert_eq!(parsed.len(), 1, "{}", text);
            prop_assert_eq!(placeless(parsed.remove(0)), expression.clone(), "{}", text);
        }
    }

    #[test]
    fn any_text_is_parsed_or_refused_at_a_place(text in "[-+*/()<>=,.'\"a-c0-9eé \\\\]{0,12}|.*") {
        if let Err(error) = parse_list(&text, Dialect::Metrics) {
            prop_assert!(text.get(error.span.clone()).is_some());
            prop_assert!(error.to_string().ends_with('^'));
        }
        if let Err(error) = parse_comparison(&text, Dialect::MetricsAndBaseline) {
            prop_assert!(text.get(error.span.clone()).is_some());
        }
    }
}
