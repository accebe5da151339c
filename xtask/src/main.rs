//! What people do with the checkout: `cargo xtask demo`, `test`, `tidy`, `bench`, `boot-matrix`.

mod bench;
mod boot_matrix;
mod demo;
mod process;
mod roots;
mod setup;
mod stick;
mod suite;
mod table;
mod tidy;
mod workspace;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};
use roots::Root;
use setup::{Job, setup};
use std::path::PathBuf;
use std::process::ExitCode;
use workspace::Workspace;

/// What people do with livestick's checkout.
#[derive(Parser)]
#[command(name = "cargo xtask")]
enum Arguments {
    /// Install what is missing, build livestick, make a small Debian and its stick, and boot it.
    Demo {
        /// Make the stick of the root in this directory, instead of a small Debian's.
        #[arg(long, value_name = "DIR")]
        root: Option<PathBuf>,
    },
    /// Install what is missing, and run every test.
    Test,
    /// Check the rules of the house that a compiler does not know.
    Tidy,
    /// Compare livestick with the same job done by hand, or its SquashFS engine with its peers.
    Bench(Bench),
    /// Boot sticks in machines of all kinds, and keep the results in docs/boot-matrix.md.
    BootMatrix(boot_matrix::Options),
    /// Install the Debian packages that the other commands need.
    Setup,
    /// Make Debian roots, those that are not there yet, and print their paths.
    Roots {
        /// Which; without a name the small one.
        #[arg(default_value = "small")]
        names: Vec<Root>,
    },
}

#[derive(Args)]
struct Bench {
    #[command(subcommand)]
    what: What,
    /// How often each side is measured.
    #[arg(long, global = true, default_value_t = 3)]
    runs: usize,
    /// Keep the result in docs/benchmarks.md.
    #[arg(long, global = true)]
    save: bool,
}

#[derive(Subcommand)]
enum What {
    /// Build the stick of a 1.9 GB root: time, bytes written, memory.
    Build,
    /// Boot the stick of a 1.9 GB root: time in /init, time to the login prompt, bytes read.
    Boot,
    /// Write sticks that take 40 MB/s: straight from the root, and four at once.
    Write,
    /// Make SquashFS images with livestick and its peers: time, memory, bytes.
    Squashfs {
        /// Of these data sets alone.
        #[arg(
            long,
            value_name = "LETTERS",
            value_enum,
            value_delimiter = ',',
            ignore_case = true
        )]
        only: Vec<bench::Data>,
        /// With these codecs of ours alone, with or without a level.
        #[arg(long, value_name = "CODECS", value_delimiter = ',')]
        codec: Vec<String>,
    },
}

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> Result<()> {
    match arguments {
        Arguments::Demo { root } => demo::demo(root),
        Arguments::Test => suite::test(),
        Arguments::Tidy => tidy::tidy(&Workspace::find()?),
        Arguments::Bench(Bench { what, runs, save }) => {
            let options = bench::Options { runs, save };
            match what {
                What::Build => bench::build(&options),
                What::Boot => bench::boot(&options),
                What::Squashfs { only, codec } => bench::squashfs(&options, &only, &codec),
                What::Write => bench::write(&options),
            }
        }
        Arguments::BootMatrix(options) => boot_matrix::boot_matrix(&options),
        Arguments::Setup => setup(&Job::ALL),
        Arguments::Roots { names } => {
            setup(&[Job::Roots])?;
            let workspace = Workspace::find()?;
            for name in names {
                println!("{}", roots::make(&workspace, name)?.display());
            }
            Ok(())
        }
    }
}
