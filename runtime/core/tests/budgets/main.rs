//! Budgets: what counts in which, who is asked when there is no room, and what each answer does.

mod bench;
mod calls;
mod children;
mod steps;
mod travel;
