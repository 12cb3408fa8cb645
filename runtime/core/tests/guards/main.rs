//! Calls of tools that stop at a person, and what is tainted.

mod bench;
mod calls;
mod steps;
mod taint;
