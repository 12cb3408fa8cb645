//! Commands that work here and not on a server: with `--server` they say so, before they touch a folder that nobody
//! meant.

use crate::args::Command;
use crate::fault::Fault;
use crate::place::Place;

/// Refuses a command that cannot be carried out by a server. Those that need no data folder do their work as ever, and
/// those that reach runs are refused by what reaches them.
pub(super) fn check(command: &Command, place: &Place) -> Result<(), Fault> {
    if place.server().is_none() {
        return Ok(());
    }
    let hint = match command {
        Command::Store(_) => {
            "look after a store on the machine that has it, without --server; `store stats`, `export`, `prune` and \
             `backup` go through the server there"
        }
        Command::Serve(_) => "leave out --server: it names a server that others ask",
        Command::Doctor(_) => {
            "`curl URL/readyz` says whether the server can be used, and `pawl doctor` on its machine tries every part"
        }
        Command::Plugin(args) => match args.not_elsewhere() {
            Some(hint) => hint,
            None => return Ok(()),
        },
        _ => return Ok(()),
    };
    Err(Fault::usage("this works on the machine that it is typed on, and not through the API of a server")
        .hint(hint))
}
