//! Calls of tools that stop at a person, and what is tainted.

mod bench;
mod calls;
mod routes;
mod steps;
mod taint;
