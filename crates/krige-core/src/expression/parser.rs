//! From tokens to linear expressions.
//!
//! ```text
//! list       = sum { "," sum }
//! comparison = sum ( "<=" | ">=" ) sum
//! sum        = product { ( "+" | "-" ) product }      each product may have signs before it
//! product    = operand { ( "*" | "/" ) operand }
//! operand    = number | name | "(" sum ")"
//! ```

use super::lexer::{Lexeme, Token, lex};
use super::{
    BASELINE, Comparison, Dialect, ExpressionError, ExpressionErrorKind as Kind, LinearExpression,
    Relation, Symbol, Term,
};
use std::ops::Range;

/// How deep parentheses may go, so that no text can exhaust the stack.
const DEPTH_LIMIT: usize = 64;

/// Parses `a, 2*b - c`.
pub(crate) fn parse_list(
    text: &str,
    dialect: Dialect,
) -> Result<Vec<LinearExpression>, ExpressionError> {
    let mut parser = Parser::new(text, dialect)?;
    let mut expressions = vec![parser.sum()?];
    while parser.take(&Token::Comma) {
        expressions.push(parser.sum()?);
    }
    match parser.relation() {
        Some(relation) => Err(parser.error(Kind::UnexpectedRelation { relation })),
        None => parser.end().map(|()| expressions),
    }
}

/// Parses `a + b <= 2*c - 1`.
pub(crate) fn parse_comparison(
    text: &str,
    dialect: Dialect,
) -> Result<Comparison, ExpressionError> {
    let mut parser = Parser::new(text, dialect)?;
    let left = parser.sum()?;
    let relation = match parser.peek() {
        Some(Token::AtMost) => Relation::AtMost,
        Some(Token::AtLeast) => Relation::AtLeast,
        Some(Token::Less) => return Err(parser.error(Kind::StrictRelation { relation: "<" })),
        Some(Token::Greater) => return Err(parser.error(Kind::StrictRelation { relation: ">" })),
        Some(Token::Equal) => return Err(parser.error(Kind::Equality)),
        Some(_) => return Err(parser.trailing()),
        None => return Err(parser.error(Kind::MissingRelation)),
    };
    parser.next += 1;
    let right = parser.sum()?;
    match parser.relation() {
        Some(_) => Err(parser.error(Kind::SecondRelation)),
        None => parser.end().map(|()| Comparison { left, relation, right }),
    }
}

struct Parser<'a> {
    text: &'a str,
    dialect: Dialect,
    lexemes: Vec<Lexeme>,
    next: usize,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn new(text: &'a str, dialect: Dialect) -> Result<Self, ExpressionError> {
        Ok(Self { text, dialect, lexemes: lex(text)?, next: 0, depth: 0 })
    }

    fn peek(&self) -> Option<&Token> {
        self.lexemes.get(self.next).map(|lexeme| &lexeme.token)
    }

    fn take(&mut self, token: &Token) -> bool {
        let found = self.peek() == Some(token);
        self.next += usize::from(found);
        found
    }

    /// The place of the next token, or the end of the text.
    fn span(&self) -> Range<usize> {
        let end = self.text.trim_end().len();
        self.lexemes.get(self.next).map_or(end..end, |lexeme| lexeme.span.clone())
    }

    /// An error at the next token.
    fn error(&self, kind: Kind) -> ExpressionError {
        ExpressionError::new(self.text, self.span(), kind)
    }

    fn relation(&self) -> Option<&'static str> {
        match self.peek()? {
            Token::AtMost => Some("<="),
            Token::AtLeast => Some(">="),
            Token::Less => Some("<"),
            Token::Greater => Some(">"),
            Token::Equal => Some("="),
            _ => None,
        }
    }

    fn end(&self) -> Result<(), ExpressionError> {
        match self.peek() {
            Some(_) => Err(self.trailing()),
            None => Ok(()),
        }
    }

    /// The error for a token that cannot follow an expression.
    fn trailing(&self) -> ExpressionError {
        self.error(match self.peek() {
            Some(Token::Comma) => Kind::UnexpectedComma,
            Some(Token::Close) => Kind::UnopenedParenthesis,
            Some(Token::Power) => Kind::Power,
            _ => Kind::ExpectedOperator { found: self.text[self.span()].to_owned() },
        })
    }

    fn sum(&mut self) -> Result<LinearExpression, ExpressionError> {
        let start = self.span().start;
        let mut sum = LinearExpression::default();
        let mut sign = 1.0;
        loop {
            // Signs before a product: `a - -b`.
            while let Some(Token::Plus | Token::Minus) = self.peek() {
                if self.peek() == Some(&Token::Minus) {
                    sign = -sign;
                }
                self.next += 1;
            }
            let product = self.product()?;
            sum.add(&product, sign);
            sum.span = start..product.span.end;
            sign = 1.0;
            if !matches!(self.peek(), Some(Token::Plus | Token::Minus)) {
                break;
            }
        }
        if !sum.is_finite() {
            return Err(ExpressionError::new(self.text, sum.span, Kind::NumberTooLarge));
        }
        Ok(sum)
    }

    fn product(&mut self) -> Result<LinearExpression, ExpressionError> {
        let mut product = self.operand()?;
        loop {
            let divide = match self.peek() {
                Some(Token::Star) => false,
                Some(Token::Slash) => true,
                Some(Token::Power) => return Err(self.error(Kind::Power)),
                _ => return Ok(product),
            };
            self.next += 1;
            let mut factor = self.operand()?;
            let span = product.span.start..factor.span.end;
            let error = |kind| Err(ExpressionError::new(self.text, factor.span.clone(), kind));
            let name = |expression: &LinearExpression| {
                expression.terms.keys().next().map(|symbol| match symbol {
                    Symbol::Name(name) => name.clone(),
                    Symbol::Baseline => BASELINE.to_owned(),
                })
            };
            match (name(&product), name(&factor)) {
                (_, Some(name)) if divide => return error(Kind::DivisionByName { name }),
                (Some(left), Some(right)) => return error(Kind::Product { left, right }),
                (_, None) if divide && factor.constant == 0.0 => {
                    return error(Kind::DivisionByZero);
                }
                (_, None) if divide => {
                    for term in product.terms.values_mut() {
                        term.coefficient /= factor.constant;
                    }
                    product.constant /= factor.constant;
                }
                (_, None) => product.scale(factor.constant),
                (None, Some(_)) => {
                    factor.scale(product.constant);
                    product = factor;
                }
            }
            product.span = span;
        }
    }

    fn operand(&mut self) -> Result<LinearExpression, ExpressionError> {
        let span = self.span();
        let symbol = match self.peek().cloned() {
            Some(Token::Number(constant)) => {
                self.next += 1;
                return Ok(LinearExpression { constant, span, ..Default::default() });
            }
            Some(Token::Open) => return self.parenthesized(),
            Some(Token::Name(name)) => {
                if let Some(Lexeme { token: Token::Open, .. }) = self.lexemes.get(self.next + 1) {
                    return Err(self.error(Kind::Function { name }));
                }
                match name == BASELINE && self.dialect == Dialect::MetricsAndBaseline {
                    true => Symbol::Baseline,
                    false => Symbol::Name(name),
                }
            }
            Some(Token::Quoted(name)) => Symbol::Name(name),
            _ => {
                let before = self.next.checked_sub(1).map(|i| self.lexemes[i].span.clone());
                return Err(self.error(Kind::ExpectedOperand {
                    noun: self.dialect.noun(),
                    after: before.map(|span| self.text[span].to_owned()),
                }));
            }
        };
        self.next += 1;
        let term = Term { coefficient: 1.0, span: span.clone() };
        Ok(LinearExpression { terms: [(symbol, term)].into_iter().collect(), constant: 0.0, span })
    }

    fn parenthesized(&mut self) -> Result<LinearExpression, ExpressionError> {
        let open = self.span();
        if self.depth == DEPTH_LIMIT {
            return Err(self.error(Kind::TooDeep { limit: DEPTH_LIMIT }));
        }
        self.next += 1;
        self.depth += 1;
        let mut inner = self.sum()?;
        self.depth -= 1;
        let close = self.span();
        if !self.take(&Token::Close) {
            return Err(match self.peek() {
                None | Some(Token::AtMost | Token::AtLeast | Token::Comma) => {
                    ExpressionError::new(self.text, open, Kind::UnclosedParenthesis)
                }
                Some(_) => self.trailing(),
            });
        }
        inner.span = open.start..close.end;
        Ok(inner)
    }
}
