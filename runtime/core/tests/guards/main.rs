//! Calls of tools that stop at a person, and what is tainted.

mod bench;
mod calls;
mod dialogue;
mod forks;
mod inbox;
mod memory;
mod routes;
mod several;
mod steps;
mod taint;
