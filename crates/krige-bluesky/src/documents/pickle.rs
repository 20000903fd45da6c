//! Plain data in pickle: text, numbers, lists and maps.
//!
//! A pickle is a program for a stack machine. This one knows the instructions that plain data need (Python's
//! `pickletools` has them all) and none that names, makes or calls anything else, so there is nothing to be executed.
//! General readers are of no use here, as the port is open to whoever reaches it: `serde-pickle` 1.2 overflows the
//! stack on 100 kB of nested lists, and doubles its memory with every two bytes of `DUP APPEND`. Here values lie in a
//! table and the stack has their places, so that no instruction costs more than its bytes, and what is built from the
//! table in the end is bounded in depth and size.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::{MAX_DEPTH, MAX_DOCUMENT, number};

pub(super) fn decode(payload: &[u8]) -> Result<Value, String> {
    let mut machine = Machine { rest: payload, ..Machine::default() };
    let root = machine.run()?;
    let mut left = MAX_DOCUMENT;
    build(&machine.table, root, MAX_DEPTH, &mut left)
}

/// A value; those inside of it by their places in the table.
#[derive(Debug)]
enum Cell<'a> {
    None,
    Bool(bool),
    Integer(i64),
    Float(f64),
    Text(&'a str),
    List(Vec<usize>),
    Map(Vec<[usize; 2]>),
}

#[derive(Debug, Default)]
struct Machine<'a> {
    rest: &'a [u8],
    table: Vec<Cell<'a>>,
    stack: Vec<usize>,
    /// Heights of the stack.
    marks: Vec<usize>,
    memo: HashMap<u32, usize>,
}

impl<'a> Machine<'a> {
    /// Runs up to STOP; the place of the result.
    fn run(&mut self) -> Result<usize, String> {
        loop {
            let [code] = self.take()?;
            match code {
                // PROTO, FRAME
                0x80 => drop(self.take::<1>()?),
                0x95 => drop(self.take::<8>()?),
                // STOP
                b'.' => return self.pop(),
                // MARK
                b'(' => self.marks.push(self.stack.len()),
                // MEMOIZE, BINPUT, LONG_BINPUT
                0x94 => self.memoize(self.memo.len() as u32)?,
                b'q' => {
                    let [name] = self.take()?;
                    self.memoize(name.into())?;
                }
                b'r' => {
                    let name = u32::from_le_bytes(self.take()?);
                    self.memoize(name)?;
                }
                // BINGET, LONG_BINGET
                b'h' => {
                    let [name] = self.take()?;
                    self.recall(name.into())?;
                }
                b'j' => {
                    let name = u32::from_le_bytes(self.take()?);
                    self.recall(name)?;
                }
                // NONE, NEWTRUE, NEWFALSE
                b'N' => self.push(Cell::None),
                0x88 => self.push(Cell::Bool(true)),
                0x89 => self.push(Cell::Bool(false)),
                // BININT, BININT1, BININT2, LONG1
                b'J' => {
                    let value = i32::from_le_bytes(self.take()?);
                    self.push(Cell::Integer(value.into()));
                }
                b'K' => {
                    let [value] = self.take()?;
                    self.push(Cell::Integer(value.into()));
                }
                b'M' => {
                    let value = u16::from_le_bytes(self.take()?);
                    self.push(Cell::Integer(value.into()));
                }
                0x8a => {
                    let [size] = self.take()?;
                    let value = integer(self.slice(size.into())?)?;
                    self.push(Cell::Integer(value));
                }
                // BINFLOAT
                b'G' => {
                    let value = f64::from_be_bytes(self.take()?);
                    self.push(Cell::Float(value));
                }
                // SHORT_BINUNICODE, BINUNICODE
                0x8c => {
                    let [size] = self.take()?;
                    self.text(size.into())?;
                }
                b'X' => {
                    let size = u32::from_le_bytes(self.take()?);
                    self.text(size as usize)?;
                }
                // EMPTY_LIST, EMPTY_TUPLE, EMPTY_DICT
                b']' | b')' => self.push(Cell::List(Vec::new())),
                b'}' => self.push(Cell::Map(Vec::new())),
                // TUPLE1, TUPLE2, TUPLE3, TUPLE
                0x85..=0x87 => {
                    let items = self.pop_many(usize::from(code - 0x84))?;
                    self.push(Cell::List(items));
                }
                b't' => {
                    let items = self.pop_mark()?;
                    self.push(Cell::List(items));
                }
                // APPEND, APPENDS
                b'a' => {
                    let items = self.pop_many(1)?;
                    self.append(items)?;
                }
                b'e' => {
                    let items = self.pop_mark()?;
                    self.append(items)?;
                }
                // SETITEM, SETITEMS
                b's' => {
                    let items = self.pop_many(2)?;
                    self.set(&items)?;
                }
                b'u' => {
                    let items = self.pop_mark()?;
                    self.set(&items)?;
                }
                other => {
                    return Err(format!(
                        "it holds more than plain data (instruction {other:#04x}); numpy's numbers and other Python \
                         objects need JSON or msgpack"
                    ));
                }
            }
        }
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let (bytes, rest) = self.rest.split_first_chunk().ok_or("it is cut off")?;
        self.rest = rest;
        Ok(*bytes)
    }

    fn slice(&mut self, size: usize) -> Result<&'a [u8], String> {
        let (bytes, rest) = self.rest.split_at_checked(size).ok_or("it is cut off")?;
        self.rest = rest;
        Ok(bytes)
    }

    fn text(&mut self, size: usize) -> Result<(), String> {
        let text = str::from_utf8(self.slice(size)?).map_err(|_| "text that is not UTF-8")?;
        self.push(Cell::Text(text));
        Ok(())
    }

    fn push(&mut self, cell: Cell<'a>) {
        self.stack.push(self.table.len());
        self.table.push(cell);
    }

    /// What lies on the stack above the last mark is in reach.
    fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    fn top(&self) -> Result<usize, String> {
        self.stack[self.floor()..].last().copied().ok_or_else(|| "an empty stack".to_owned())
    }

    fn pop(&mut self) -> Result<usize, String> {
        let top = self.top()?;
        self.stack.pop();
        Ok(top)
    }

    fn pop_many(&mut self, count: usize) -> Result<Vec<usize>, String> {
        let start = self.stack.len().checked_sub(count).filter(|&start| start >= self.floor());
        Ok(self.stack.split_off(start.ok_or("an empty stack")?))
    }

    fn pop_mark(&mut self) -> Result<Vec<usize>, String> {
        let start = self.marks.pop().ok_or("no mark")?;
        Ok(self.stack.split_off(start))
    }

    fn memoize(&mut self, name: u32) -> Result<(), String> {
        self.memo.insert(name, self.top()?);
        Ok(())
    }

    fn recall(&mut self, name: u32) -> Result<(), String> {
        self.stack.push(*self.memo.get(&name).ok_or("a value that was not kept")?);
        Ok(())
    }

    fn append(&mut self, items: Vec<usize>) -> Result<(), String> {
        let top = self.top()?;
        let Cell::List(list) = &mut self.table[top] else { return Err("no list".to_owned()) };
        list.extend(items);
        Ok(())
    }

    fn set(&mut self, items: &[usize]) -> Result<(), String> {
        let top = self.top()?;
        let (Cell::Map(map), (pairs, [])) = (&mut self.table[top], items.as_chunks()) else {
            return Err("no map, or a key without a value".to_owned());
        };
        map.extend_from_slice(pairs);
        Ok(())
    }
}

/// A little-endian integer in two's complement, of any length.
fn integer(bytes: &[u8]) -> Result<i64, String> {
    let negative = bytes.last().is_some_and(|last| last & 0x80 != 0);
    let fill = if negative { 0xFF } else { 0 };
    let (low, high) = bytes.split_at(bytes.len().min(8));
    let mut wide = [fill; 8];
    wide[..low.len()].copy_from_slice(low);
    let value = i64::from_le_bytes(wide);
    if high.iter().any(|&byte| byte != fill) || (value < 0) != negative {
        return Err("an integer of more than 64 bits".to_owned());
    }
    Ok(value)
}

/// The value at a place. A value that is used twice is built twice: `left` bounds the size of all that is built.
fn build(
    table: &[Cell<'_>],
    place: usize,
    depth: usize,
    left: &mut usize,
) -> Result<Value, String> {
    let inner = depth.checked_sub(1).ok_or("it is nested too deeply")?;
    spend(left, 1)?;
    Ok(match &table[place] {
        Cell::None => Value::Null,
        Cell::Bool(truth) => (*truth).into(),
        Cell::Integer(value) => (*value).into(),
        Cell::Float(value) => number(*value),
        Cell::Text(text) => {
            spend(left, text.len())?;
            (*text).into()
        }
        Cell::List(items) => {
            items.iter().map(|&item| build(table, item, inner, left)).collect::<Result<_, _>>()?
        }
        Cell::Map(pairs) => {
            let mut map = Map::new();
            for &[key, value] in pairs {
                // Python's maps may have numbers for keys; as in JSON they become text.
                let key = match &table[key] {
                    Cell::Text(text) => (*text).to_owned(),
                    Cell::Integer(integer) => integer.to_string(),
                    Cell::None | Cell::Bool(_) | Cell::Float(_) | Cell::List(_) | Cell::Map(_) => {
                        return Err("expected text for a key".to_owned());
                    }
                };
                spend(left, key.len())?;
                map.insert(key, build(table, value, inner, left)?);
            }
            map.into()
        }
    })
}

fn spend(left: &mut usize, size: usize) -> Result<(), String> {
    *left = left.checked_sub(size).ok_or("it is larger than its bytes")?;
    Ok(())
}

#[cfg(test)]
mod tests;
