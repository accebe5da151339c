//! One image, many sticks: it is read once, and every stick is written at its own pace, with a few
//! pieces between them.

use crate::buffer::Buffer;
use crate::reread::Reread;
use crate::stick::Stick;
use crate::{DeviceError, Medium};
use crossbeam_channel::{Receiver, Sender, bounded};
use livestick_blockio::{Progress, ReadAt};
use livestick_volume::Growth;
use std::error::Error;
use std::io::{self, Read};
use std::sync::Arc;
use std::thread;

/// An image that is copied to sticks.
pub struct Image<'a> {
    /// Its bytes, from the first on.
    pub reader: &'a mut dyn Read,
    /// How many there will be, where that is known.
    pub length_bytes: Option<u64>,
    /// How many there must be: with fewer, it is not whole.
    pub least_bytes: u64,
    /// Whether its volume takes all of each stick.
    pub grow: bool,
    /// Looks whether it was whole, by what has arrived.
    pub check: Option<&'a Check<'a>>,
}

/// Reads a device of so many bytes, and says what is wrong with what is on it.
pub type Check<'a> = dyn Fn(&dyn ReadAt, u64, &dyn Progress) -> Result<(), BoxError> + Sync + 'a;
/// Anything that can be wrong.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// A stick, and who watches it.
pub struct Destination<'a, M> {
    /// The device.
    pub medium: M,
    /// Its progress.
    pub progress: &'a dyn Progress,
}

/// What came of it.
#[derive(Debug)]
pub struct Copied {
    /// How long the image is, or why it could not be read to its end.
    pub image_bytes: io::Result<u64>,
    /// Of each stick, in the order given: the length of its volume where it grew, or what failed.
    pub sticks: Vec<Result<Option<u64>, DeviceError>>,
}

/// How much is read and written in one go.
const PIECE_BYTES: usize = 4 << 20;
/// How many pieces a fast stick may be ahead of a slow one.
const AHEAD_PIECES: usize = 8;

/// What is known of the image before it is read.
#[derive(Clone, Copy)]
struct Expected<'a> {
    length_bytes: Option<u64>,
    least_bytes: u64,
    grow: bool,
    check: Option<&'a Check<'a>>,
}

enum Message {
    /// So much of the image, and where it begins.
    Piece(Arc<Buffer>, u64),
    /// There is no more.
    End,
}

/// Writes an image to sticks, all at once, and reads each back. A stick that fails does not stop the
/// others.
#[must_use]
pub fn copy<M: Medium + Send>(image: Image<'_>, destinations: Vec<Destination<'_, M>>) -> Copied {
    let Image {
        reader,
        length_bytes,
        least_bytes,
        grow,
        check,
    } = image;
    let expected = Expected {
        length_bytes,
        least_bytes,
        grow,
        check,
    };
    thread::scope(|scope| {
        let (senders, threads): (Vec<_>, Vec<_>) = destinations
            .into_iter()
            .map(|destination| {
                let (sender, receiver) = bounded(AHEAD_PIECES);
                let write = move || write(destination, &receiver, expected);
                (sender, scope.spawn(write))
            })
            .unzip();
        let image_bytes = distribute(reader, senders);
        let sticks = threads.into_iter().map(|thread| {
            // A panic of ours is one.
            thread
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        });
        Copied {
            sticks: sticks.collect(),
            image_bytes,
        }
    })
}

/// Reads the image, and hands each piece to every stick that still takes any.
fn distribute(reader: &mut dyn Read, mut senders: Vec<Sender<Message>>) -> io::Result<u64> {
    let mut offset = 0;
    loop {
        let piece = read_piece(reader)?;
        let length = piece.len();
        let piece = Arc::new(piece);
        if length > 0 {
            senders.retain(|sender| {
                let message = Message::Piece(Arc::clone(&piece), offset);
                sender.send(message).is_ok()
            });
        }
        offset += length as u64;
        if length < PIECE_BYTES || senders.is_empty() {
            break;
        }
    }
    for sender in senders {
        // It may fail just now, and says so itself.
        let _ = sender.send(Message::End);
    }
    Ok(offset)
}

/// A whole piece, less at the end.
fn read_piece(reader: &mut dyn Read) -> io::Result<Buffer> {
    let mut piece = Buffer::zeros(PIECE_BYTES);
    let mut length = 0;
    while length < PIECE_BYTES {
        match reader.read(&mut piece[length..]) {
            Ok(0) => break,
            Ok(count) => length += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    piece.truncate(length);
    Ok(piece)
}

fn write<M: Medium>(
    destination: Destination<'_, M>,
    messages: &Receiver<Message>,
    expected: Expected<'_>,
) -> Result<Option<u64>, DeviceError> {
    let Destination { medium, progress } = destination;
    let size_bytes = medium.size_bytes();
    let needed_bytes = expected
        .length_bytes
        .unwrap_or_default()
        .max(expected.least_bytes);
    if needed_bytes > size_bytes {
        return Err(DeviceError::TooSmallToBegin {
            size_bytes,
            needed_bytes,
        });
    }
    if progress.interrupted() {
        return Err(DeviceError::NotBegun);
    }
    progress.start("look", None);
    let stick = Stick::begin(medium)?;
    progress.start("write", expected.length_bytes);
    let (received_bytes, is_whole) = receive(&stick, messages, progress)?;
    if !is_whole || received_bytes < expected.least_bytes {
        return Err(DeviceError::ImageCutShort {
            received_bytes,
            needed_bytes,
        });
    }
    let volume_bytes = match expected.grow {
        true => enlarge(&stick)?,
        false => None,
    };
    if let Some(check) = expected.check {
        look(&stick, check, progress)?;
    }
    stick.finish(progress)?;
    Ok(volume_bytes)
}

/// Looks at what has arrived. What is read for that is read back.
fn look<M: Medium>(
    stick: &Stick<M>,
    check: &Check<'_>,
    progress: &dyn Progress,
) -> Result<(), DeviceError> {
    progress.start("flush", None);
    stick.settle()?;
    let reread = Reread::new(stick);
    let found = check(&reread, stick.size_bytes(), progress);
    if progress.interrupted() {
        return Err(DeviceError::Interrupted);
    }
    match (reread.into_failure(), found) {
        (Some(failure), _) => Err(failure),
        (None, Err(problem)) => Err(DeviceError::ImageDamaged { problem }),
        (None, Ok(())) => Ok(()),
    }
}

/// Takes all that comes; says how much it was, and whether that was the end.
fn receive<M: Medium>(
    stick: &Stick<M>,
    messages: &Receiver<Message>,
    progress: &dyn Progress,
) -> Result<(u64, bool), DeviceError> {
    let mut received_bytes = 0;
    for message in messages {
        if progress.interrupted() {
            return Err(DeviceError::Interrupted);
        }
        match message {
            Message::Piece(bytes, offset) => {
                stick.put(&bytes, offset)?;
                progress.advance(bytes.len() as u64);
                received_bytes = offset + bytes.len() as u64;
            }
            Message::End => return Ok((received_bytes, true)),
        }
    }
    match progress.interrupted() {
        true => Err(DeviceError::Interrupted),
        false => Ok((received_bytes, false)),
    }
}

/// Lets the volume take the whole device.
fn enlarge<M: Medium>(stick: &Stick<M>) -> Result<Option<u64>, DeviceError> {
    let growth = livestick_volume::grow(stick, stick.size_bytes());
    let growth = growth.map_err(|source| DeviceError::Grow { source })?;
    let Some(Growth {
        volume_bytes,
        zeros,
        writes,
    }) = growth
    else {
        return Ok(None);
    };
    for zeros in zeros {
        stick.zero(zeros.start_bytes()..zeros.start_bytes() + zeros.length_bytes())?;
    }
    for write in writes {
        stick.put(&write.bytes, write.offset_bytes)?;
    }
    Ok(Some(volume_bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faulty::{Fault, Faulty, noise};
    use livestick_blockio::NoProgress;
    use livestick_volume::{Length, Options, Plan, PlannedFile, Size, Timestamp, Volume, check};

    const MIB: u64 = 1 << 20;

    fn copy_to(image: &[u8], sticks: &[Faulty], grow: bool) -> Copied {
        let destinations = sticks.iter().map(|medium| Destination {
            medium,
            progress: &NoProgress,
        });
        let mut reader = image;
        copy(
            Image {
                length_bytes: Some(image.len() as u64),
                least_bytes: 0,
                reader: &mut reader,
                grow,
                check: None,
            },
            destinations.collect(),
        )
    }

    /// What would be an image: it ends with 55 AA where a partition table does.
    fn image(length: usize) -> Vec<u8> {
        let mut image = noise(length);
        image[510..512].copy_from_slice(b"\x55\xaa");
        image
    }

    #[test]
    fn every_stick_gets_the_image_and_a_bad_one_stops_no_other() {
        let image = image((9 << 20) + 700);
        let sticks = [
            Faulty::new(16 * MIB, Fault::None),
            Faulty::new(16 * MIB, Fault::WriteError(7 * MIB)),
            Faulty::new(12 * MIB, Fault::None),
            Faulty::new(8 * MIB, Fault::None),
        ];
        let copied = copy_to(&image, &sticks, false);
        assert_eq!(copied.image_bytes.unwrap(), image.len() as u64);
        assert!(matches!(copied.sticks[0], Ok(None)));
        assert!(matches!(copied.sticks[1], Err(DeviceError::Write { .. })));
        assert!(matches!(copied.sticks[2], Ok(None)));
        assert!(matches!(
            copied.sticks[3],
            Err(DeviceError::TooSmallToBegin { .. })
        ));
        for good in [0, 2] {
            assert!(sticks[good].bytes(0, image.len()) == image);
        }
        assert!(!sticks[1].is_bootable());
        assert!(sticks[3].is_untouched());
    }

    #[test]
    fn an_image_that_breaks_off_is_on_no_stick() {
        struct Broken(usize);
        impl Read for Broken {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                if self.0 == 0 {
                    return Err(io::ErrorKind::InvalidData.into());
                }
                let count = buffer.len().min(self.0);
                self.0 -= count;
                Ok(count)
            }
        }
        let stick = Faulty::new(32 * MIB, Fault::None);
        let copied = copy(
            Image {
                reader: &mut Broken(10 << 20),
                length_bytes: None,
                least_bytes: 0,
                grow: false,
                check: None,
            },
            vec![Destination {
                medium: &stick,
                progress: &NoProgress,
            }],
        );
        assert!(copied.image_bytes.is_err());
        assert!(matches!(
            copied.sticks[0],
            Err(DeviceError::ImageCutShort { .. })
        ));
        assert!(!stick.is_bootable());
    }

    /// As of a download that broke off, where nobody knows its length.
    #[test]
    fn an_image_that_is_shorter_than_it_must_be_is_on_no_stick() {
        let image = image(10 << 20);
        for (least_bytes, is_whole) in [(10 * MIB, true), (10 * MIB + 1, false)] {
            let stick = Faulty::new(32 * MIB, Fault::None);
            let copied = copy(
                Image {
                    reader: &mut &image[..],
                    length_bytes: None,
                    least_bytes,
                    grow: false,
                    check: None,
                },
                vec![Destination {
                    medium: &stick,
                    progress: &NoProgress,
                }],
            );
            assert_eq!(copied.sticks[0].is_ok(), is_whole);
            if let Err(error) = &copied.sticks[0] {
                let said = error.to_string();
                assert!(said.contains("10485760 bytes of 10485761"), "{said}");
            }
            assert_eq!(stick.is_bootable(), is_whole);
        }
    }

    /// It arrives as it is, and is not published; a stick that fails meanwhile is the stick's fault.
    #[test]
    fn an_image_that_was_damaged_before_is_on_no_stick() {
        let image = image((9 << 20) + 512);
        let check = |is_whole: bool| {
            let expected = &image;
            move |medium: &dyn ReadAt, size_bytes: u64, _: &dyn Progress| {
                assert_eq!(size_bytes, 16 * MIB);
                let mut found = vec![0; expected.len()];
                for (piece, offset) in found.chunks_mut(300_000).zip((0..).step_by(300_000)) {
                    medium.read_exact_at(piece, offset)?;
                }
                assert!(&found == expected);
                assert!(medium.read_at(&mut [0; 8], 12 * MIB).is_err(), "unwritten");
                match is_whole {
                    true => Ok(()),
                    false => Err("two bytes are others".into()),
                }
            }
        };
        for (fault, is_whole) in [
            (Fault::None, true),
            (Fault::None, false),
            (Fault::Corrupt(5 * MIB + 70_000), true),
            (Fault::ReadError(5 * MIB + 70_000), false),
        ] {
            let stick = Faulty::new(16 * MIB, fault);
            let copied = copy(
                Image {
                    reader: &mut &image[..],
                    length_bytes: None,
                    least_bytes: 0,
                    grow: false,
                    check: Some(&check(is_whole)),
                },
                vec![Destination {
                    medium: &stick,
                    progress: &NoProgress,
                }],
            );
            let copied = &copied.sticks[0];
            match fault {
                Fault::None if is_whole => assert!(copied.is_ok()),
                Fault::None => assert!(matches!(copied, Err(DeviceError::ImageDamaged { .. }))),
                Fault::Corrupt(_) => assert!(matches!(copied, Err(DeviceError::Differs { .. }))),
                _ => assert!(matches!(copied, Err(DeviceError::Read { .. }))),
            }
            assert_eq!(stick.is_bootable(), copied.is_ok());
            // To be checked, it is read once.
            assert!(stick.read_bytes() < 11 * MIB, "{}", stick.read_bytes());
        }
    }

    #[test]
    fn a_stick_that_is_known_to_be_too_small_stays_as_it_is() {
        let image = image(20 << 20);
        let stick = Faulty::new(16 * MIB, Fault::None);
        let copied = copy(
            Image {
                reader: &mut &image[..],
                length_bytes: None,
                least_bytes: 16 * MIB + 512,
                grow: false,
                check: None,
            },
            vec![Destination {
                medium: &stick,
                progress: &NoProgress,
            }],
        );
        let error = copied.sticks[0].as_ref().unwrap_err();
        assert!(error.is_untouched() && stick.is_untouched());
        let needed = (16 * MIB + 512).to_string();
        assert!(error.to_string().contains(&needed), "{error}");
    }

    #[test]
    fn an_image_of_unknown_length_may_turn_out_too_long() {
        let image = image(20 << 20);
        let stick = Faulty::new(16 * MIB, Fault::None);
        let copied = copy(
            Image {
                reader: &mut &image[..],
                length_bytes: None,
                least_bytes: 0,
                grow: false,
                check: None,
            },
            vec![Destination {
                medium: &stick,
                progress: &NoProgress,
            }],
        );
        assert!(matches!(
            copied.sticks[0],
            Err(DeviceError::TooSmall { .. })
        ));
        assert!(!stick.is_bootable());
    }

    /// Power is cut, or the program killed, at every tenth of the writing: what was not confirmed is
    /// lost in part.
    #[test]
    fn a_stick_that_was_cut_off_boots_nowhere() {
        let image = image(10 << 20);
        let whole = Faulty::new(16 * MIB, Fault::None);
        assert!(copy_to(&image, std::slice::from_ref(&whole), false).sticks[0].is_ok());
        let total = whole.written_bytes();
        for part in 0..=40 {
            for seed in 0..4 {
                let stick = Faulty::new(16 * MIB, Fault::GoneAfter(total * part / 40));
                stick.fill_with_an_old_stick();
                let copied = copy_to(&image, std::slice::from_ref(&stick), false);
                stick.lose_power(seed);
                if stick.is_bootable() {
                    // Either nothing had begun, or all was there and nobody heard of it any more.
                    let is_whole = stick.bytes(0, image.len()) == image;
                    assert!(is_whole || stick.is_an_old_stick(), "{part}");
                }
                let has_failed = copied.sticks[0].is_err();
                assert!(has_failed || part == 40, "{part}");
            }
        }
    }

    /// Ctrl-C at the prompt, or right after it.
    #[test]
    fn what_was_to_stop_before_it_began_wipes_nothing() {
        struct Stopped;
        impl Progress for Stopped {
            fn start(&self, _: &str, _: Option<u64>) {}
            fn advance(&self, _: u64) {}
            fn interrupted(&self) -> bool {
                true
            }
        }
        let stick = Faulty::new(600 * MIB, Fault::None);
        let copied = copy(
            Image {
                reader: &mut &image(5 << 20)[..],
                length_bytes: None,
                least_bytes: 0,
                grow: false,
                check: None,
            },
            vec![Destination {
                medium: &stick,
                progress: &Stopped,
            }],
        );
        assert!(matches!(copied.sticks[0], Err(DeviceError::NotBegun)));
        let time = Timestamp::from_unix_seconds(0);
        let restored = crate::restore(&stick, "USB".parse().unwrap(), time, &Stopped);
        assert!(matches!(restored, Err(DeviceError::NotBegun)));
        assert!(stick.is_untouched());
    }

    #[test]
    fn a_volume_grows_to_each_stick() {
        let (image, files) = volume();
        let sticks =
            [512 * MIB, 700 * MIB + 512, 3 << 30].map(|size| Faulty::new(size, Fault::None));
        let copied = copy_to(&image, &sticks, true);
        for (stick, grown) in sticks.iter().zip(copied.sticks) {
            let size = Medium::size_bytes(&stick);
            let grown = grown.unwrap().unwrap();
            assert!(grown > size - 4 * MIB && grown < size, "{grown} of {size}");
            let volume = Volume::open(stick).unwrap();
            let scan = volume.scan().unwrap();
            assert_eq!(scan.findings, []);
            assert_eq!(check(&volume, &scan, size).unwrap(), []);
            for (path, bytes) in &files {
                let mut found = vec![0; bytes.len()];
                let file = volume.file(scan.file(path).unwrap());
                file.read_exact_at(&mut found, 0).unwrap();
                assert!(&found == bytes, "{path}");
            }
        }
    }

    #[test]
    fn what_has_no_volume_does_not_grow_and_does_not_boot() {
        let image = image(5 << 20);
        let stick = Faulty::new(16 * MIB, Fault::None);
        let copied = copy_to(&image, std::slice::from_ref(&stick), true);
        assert!(matches!(copied.sticks[0], Err(DeviceError::Grow { .. })));
        assert!(!stick.is_bootable());
    }

    /// The image of a small volume, and its files.
    fn volume() -> (Vec<u8>, Vec<(&'static str, Vec<u8>)>) {
        let files = vec![
            ("a/ldlinux.sys", noise(60_000)),
            ("live/filesystem.squashfs", noise(3_000_000)),
        ];
        let planned = files.iter().map(|(path, bytes)| PlannedFile {
            path: (*path).to_owned(),
            length: Length::Exact(bytes.len() as u64),
        });
        let plan = Plan::new(&planned.collect::<Vec<_>>(), Size::Fit).unwrap();
        let options = Options {
            label: "A".parse().unwrap(),
            serial: 1,
            mbr_signature: 2,
            timestamp: Timestamp::from_unix_seconds(0),
            boot_code: None,
        };
        let finished = plan.finish(&[], &options).unwrap();
        let mut image = vec![0; usize::try_from(finished.length_bytes).unwrap()];
        let mut put = |bytes: &[u8], offset: u64| {
            let offset = usize::try_from(offset).unwrap();
            image[offset..offset + bytes.len()].copy_from_slice(bytes);
        };
        for (path, bytes) in &files {
            put(bytes, plan.place(path).unwrap().offset_bytes);
        }
        for write in &finished.writes {
            put(&write.bytes, write.offset_bytes);
        }
        (image, files)
    }
}
