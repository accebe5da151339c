//! Compressed archives.

use crate::support::compare::assert_equal;
use crate::support::read::{noise, read_file, read_stream};
use crate::support::writer::{Header, archive, directory, file};
use livestick_tar::{Archive, Compression};
use std::io::Write;

/// An archive of some size, in two halves, to compress them apart.
fn halves() -> (Vec<u8>, Vec<u8>) {
    let whole = archive(&[
        directory("dir"),
        Header::new("dir/noise", b'0').with(&noise(7, 400_000)),
        file("dir/file"),
        Header::new("zeros", b'0').with(&[0; 1_000_000]),
    ]);
    let (first, second) = whole.split_at(300_000);
    (first.to_vec(), second.to_vec())
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn xz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 0);
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    let mut compressed = Vec::with_capacity(zstd_safe::compress_bound(bytes.len()));
    let mut context = zstd_safe::CCtx::create();
    context
        .set_parameter(zstd_safe::CParameter::ChecksumFlag(true))
        .unwrap();
    context.compress2(&mut compressed, bytes).unwrap();
    compressed
}

type Compress = fn(&[u8]) -> Vec<u8>;

const CODECS: [(Compression, Compress); 3] = [
    (Compression::Gzip, gzip),
    (Compression::Xz, xz),
    (Compression::Zstd, zstd),
];

fn plain() -> Archive {
    let (first, second) = halves();
    read_stream(&[first, second].concat()).unwrap()
}

#[test]
fn every_codec_and_any_number_of_members() {
    let (first, second) = halves();
    let plain = plain();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("archive");
    for (compression, compress) in CODECS {
        let (one, other) = (compress(&first), compress(&second));
        let skippable = b"\x50\x2a\x4d\x18\x04\0\0\0skip";
        let between: &[u8] = match compression {
            Compression::Zstd => skippable,
            _ => &[],
        };
        for compressed in [
            compress(&[first.clone(), second.clone()].concat()),
            [&one, between, &other].concat(),
            [&one, &compress(b"")[..], &other, &[0; 1024]].concat(),
            [&one, &[0; 8][..], &other, b"garbage"].concat(),
        ] {
            std::fs::write(&path, &compressed).unwrap();
            for read in [read_stream(&compressed), read_file(&path)] {
                let read = read.unwrap_or_else(|error| panic!("{compression}: {error:?}"));
                assert_eq!(read.report.compression, compression);
                assert_equal(&read, &plain);
            }
        }
    }
}

#[test]
fn what_is_cut_short_or_changed_is_refused() {
    let (first, second) = halves();
    let whole = [first, second].concat();
    for (compression, compress) in CODECS {
        let compressed = compress(&whole);
        for length in [7, 20, 1000, compressed.len() / 2, compressed.len() - 1] {
            let cut = read_stream(&compressed[..length]).map(|_| ());
            let message = cut.unwrap_err().to_string();
            assert!(
                message.contains("cut short"),
                "{compression}, {length}: {message}"
            );
        }
        // What the checksum at the end tells, and nothing before.
        let mut changed = compressed.clone();
        let at = changed.len() / 2;
        changed[at] ^= 1;
        let error = read_stream(&changed).map(|_| ()).unwrap_err();
        assert!(
            error.to_string().contains("cannot be read at byte"),
            "{compression}: {error}"
        );
    }
}

#[test]
fn other_codecs_are_named() {
    for (start, name) in [(&b"BZh91AY&SY"[..], "bzip2"), (b"LZIP\x01", "lzip")] {
        let message = read_stream(start).unwrap_err().to_string();
        assert!(message.contains(name), "{message}");
    }
    // A name may look like one.
    let read = read_stream(&archive(&[file("BZh91AY&SY")])).unwrap();
    assert!(read.tree.lookup(b"BZh91AY&SY").is_some());
}

#[test]
fn a_decompressor_does_not_take_all_memory() {
    // A frame that asks for a window of 2 GiB; `zstd` itself refuses it by default.
    let frame = [&b"\x28\xb5\x2f\xfd\x00\xa8"[..], &[0; 600]].concat();
    let error = read_stream(&frame).unwrap_err();
    let source = std::error::Error::source(&error).map(ToString::to_string);
    assert!(source.unwrap_or_default().contains("memory"), "{error:?}");

    // A dictionary of 1 GiB, for which an encoder would need ten. Its size stands in the header of
    // the block, behind the filter's number.
    let mut stream = xz(&archive(&[file("a")]));
    assert_eq!(stream[12 + 2..12 + 4], [0x21, 0x01], "the filter is LZMA2");
    stream[12 + 4] = 36;
    let header_bytes = (usize::from(stream[12]) + 1) * 4;
    let end = 12 + header_bytes - 4;
    let mut crc = flate2::Crc::new();
    crc.update(&stream[12..end]);
    stream[end..end + 4].copy_from_slice(&crc.sum().to_le_bytes());
    let error = read_stream(&stream).unwrap_err();
    let source = std::error::Error::source(&error).map(ToString::to_string);
    assert!(source.unwrap_or_default().contains("mem"), "{error:?}");
}

#[test]
fn zeros_take_no_room_in_the_spool() {
    use std::os::unix::fs::MetadataExt;
    let parts = [
        Header::new("zeros", b'0').with(&vec![0; 3_000_000]),
        Header::new("noise", b'0').with(&noise(1, 300_000)),
        Header::new("more zeros", b'0').with(&vec![0; 3_000_000]),
    ];
    let compressed = gzip(&archive(&parts));
    let spool = tempfile::tempfile().unwrap();
    let same = spool.try_clone().unwrap();
    let options = livestick_tar::Options::default();
    let read = Archive::read_stream(
        &compressed[..],
        spool,
        &options,
        &livestick_blockio::NoProgress,
    );
    assert_equal(&read.unwrap(), &read_stream(&archive(&parts)).unwrap());
    let spooled = same.metadata().unwrap();
    assert_eq!(spooled.len(), 6_300_000);
    assert!(spooled.blocks() * 512 < 1_000_000, "{}", spooled.blocks());
}
