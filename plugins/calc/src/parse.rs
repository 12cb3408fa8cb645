//! Reads an expression and calculates it on the way: without a tree, a long one needs no stack.

use pawl_plugin::{Failure, Place};
use rust_decimal::Decimal;

/// Expressions within each other.
pub(crate) const DEPTH_MAX: usize = 50;

/// What a part of an expression stands for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Number(Decimal),
    /// A variable that is a list, by its name.
    List(String, Vec<Decimal>),
}

/// What gives names and operators their meaning. Each says what is wrong, the reader says where.
pub(crate) trait Meaning {
    fn variable(&self, name: &str) -> Result<Value, String>;
    fn combine(&self, operator: Operator, left: Decimal, right: Decimal) -> Result<Decimal, String>;
    fn call(&self, function: &str, arguments: Vec<Value>) -> Result<Decimal, String>;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    Power,
}

impl Operator {
    pub(crate) const fn symbol(self) -> char {
        match self {
            Self::Add => '+',
            Self::Subtract => '-',
            Self::Multiply => '*',
            Self::Divide => '/',
            Self::Remainder => '%',
            Self::Power => '^',
        }
    }

    fn of(symbol: char) -> Option<Self> {
        let all = [Self::Add, Self::Subtract, Self::Multiply, Self::Divide, Self::Remainder, Self::Power];
        all.into_iter().find(|operator| operator.symbol() == symbol)
    }

    /// How strongly it binds what stands to its left and to its right.
    const fn strength(self) -> (u8, u8) {
        match self {
            Self::Add | Self::Subtract => (1, 2),
            Self::Multiply | Self::Divide | Self::Remainder => (3, 4),
            // From the right: 2 ^ 3 ^ 2 is 2 ^ 9; and before a sign: -2 ^ 2 is -4.
            Self::Power => (8, 7),
        }
    }
}

/// How strongly a sign binds: less than a power, more than a product.
const SIGN: u8 = 5;

/// A failure of the expression at one of its bytes.
fn wrong(text: &str, at: usize, what: &str) -> Failure {
    Failure::invalid_input(format!("the expression, {}: {what}", Place::of(text, at)))
}

/// Reads and calculates a whole expression.
pub(crate) fn evaluate(text: &str, meaning: &dyn Meaning) -> Result<Decimal, Failure> {
    let mut parser = Parser { text, at: 0, depth: 0, meaning };
    parser.peek();
    let at = parser.at;
    let value = parser.term(0)?;
    match parser.peek() {
        None => parser.number_of(at, value),
        Some(')') => Err(parser.wrong("there is no `(` for this `)`")),
        Some(',') => {
            Err(parser.wrong("`,` stands only between the arguments of a function; write 1.5, not 1,5"))
        }
        Some(found) => Err(parser.wrong(&format!("expected an operator or the end, found `{found}`"))),
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
    meaning: &'a dyn Meaning,
}

impl<'a> Parser<'a> {
    fn wrong(&self, what: &str) -> Failure {
        wrong(self.text, self.at, what)
    }

    /// The next character that is no space.
    fn peek(&mut self) -> Option<char> {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start().len();
        self.text[self.at..].chars().next()
    }

    /// What stands at `at` as one number.
    fn number_of(&self, at: usize, value: Value) -> Result<Decimal, Failure> {
        match value {
            Value::Number(number) => Ok(number),
            Value::List(name, _) => Err(wrong(
                self.text,
                at,
                &format!("`{name}` is a list; only functions such as sum({name}) take lists"),
            )),
        }
    }

    fn term(&mut self, strength: u8) -> Result<Value, Failure> {
        if self.depth == DEPTH_MAX {
            return Err(self.wrong(&format!(
                "more than {DEPTH_MAX} expressions within each other; calculate a part in a step before"
            )));
        }
        self.depth += 1;
        self.peek();
        let left_at = self.at;
        let mut left = self.operand()?;
        while let Some(operator) = self.peek().and_then(Operator::of) {
            let (before, after) = operator.strength();
            if before < strength {
                break;
            }
            let at = self.at;
            self.at += 1;
            self.peek();
            let right_at = self.at;
            let right = self.term(after)?;
            let (a, b) = (self.number_of(left_at, left)?, self.number_of(right_at, right)?);
            let result = self.meaning.combine(operator, a, b);
            left = Value::Number(result.map_err(|what| wrong(self.text, at, &what))?);
        }
        self.depth -= 1;
        Ok(left)
    }

    fn operand(&mut self) -> Result<Value, Failure> {
        let (first, at) = (self.peek(), self.at);
        match first {
            Some('-') => {
                self.at += 1;
                self.peek();
                let inner_at = self.at;
                let inner = self.term(SIGN)?;
                Ok(Value::Number(-self.number_of(inner_at, inner)?))
            }
            Some('(') => {
                self.at += 1;
                let inner = self.term(0)?;
                self.close(at)?;
                Ok(inner)
            }
            Some(digit) if digit.is_ascii_digit() || digit == '.' => self.number(),
            Some(letter) if letter.is_alphabetic() || letter == '_' => self.name(),
            Some(found) => Err(self.wrong(&format!("expected a number, a variable or `(`, found `{found}`"))),
            None => Err(self.wrong("expected a number, a variable or `(`, found the end")),
        }
    }

    /// Takes the `)` of the `(` at `opened`.
    fn close(&mut self, opened: usize) -> Result<(), Failure> {
        match self.peek() {
            Some(')') => {
                self.at += 1;
                Ok(())
            }
            None => Err(wrong(self.text, opened, "there is no `)` for this `(`")),
            Some(found) => Err(self.wrong(&format!("expected an operator or `)`, found `{found}`"))),
        }
    }

    fn take(&mut self, fits: impl Fn(char) -> bool) -> &'a str {
        let rest = &self.text[self.at..];
        let taken = &rest[..rest.find(|c| !fits(c)).unwrap_or(rest.len())];
        self.at += taken.len();
        taken
    }

    fn number(&mut self) -> Result<Value, Failure> {
        let at = self.at;
        let digits = self.take(|c| c.is_ascii_digit() || c == '.' || c == '_');
        let number = Decimal::from_str_exact(&digits.replace('_', ""));
        let what = format!("`{digits}` is no number with at most 28 digits and one point");
        number.map(Value::Number).map_err(|_| wrong(self.text, at, &what))
    }

    fn name(&mut self) -> Result<Value, Failure> {
        let at = self.at;
        let name = self.take(|c| c.is_alphanumeric() || c == '_');
        if self.peek() != Some('(') {
            return self.meaning.variable(name).map_err(|what| wrong(self.text, at, &what));
        }
        let opened = self.at;
        self.at += 1;
        let mut arguments = Vec::new();
        if self.peek() != Some(')') {
            arguments.push(self.term(0)?);
            while self.peek() == Some(',') {
                self.at += 1;
                arguments.push(self.term(0)?);
            }
        }
        self.close(opened)?;
        let result = self.meaning.call(name, arguments);
        result.map(Value::Number).map_err(|what| wrong(self.text, at, &what))
    }
}
