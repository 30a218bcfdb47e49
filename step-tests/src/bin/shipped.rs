//! What is killed: a process that uses the library as it ships.

#[path = "../operations.rs"]
mod operations;

use ringmain as library;

fn main() {
    operations::main();
}
