//! Random trees.

use super::image::{new_tree, noise, text};
use livestick_tree::{Device, Kind, Metadata, Tree, Xattr};
use proptest::prelude::{Just, Strategy, any, prop_oneof};

/// One file of a random tree.
#[derive(Clone, Debug)]
pub struct Spec {
    parent: usize,
    name: Vec<u8>,
    metadata: Metadata,
    kind: Kind,
    xattrs: Vec<Xattr>,
    /// A second name, in another directory.
    link: Option<(usize, Vec<u8>)>,
}

fn names() -> impl Strategy<Value = Vec<u8>> {
    let byte = (1..=255_u8).prop_filter("no name has it", |byte| *byte != b'/');
    proptest::collection::vec(byte, 1..40)
}

fn contents() -> impl Strategy<Value = Vec<u8>> {
    let length = prop_oneof![
        0..200_usize,
        4090..4100_usize,
        8190..8194_usize,
        0..60_000_usize
    ];
    (0..6_u64, length, 0..3_u8).prop_map(|(seed, length, how)| match how {
        0 => noise(seed, length),
        1 => text(seed, length),
        _ => [vec![0; length], noise(seed, 3), vec![0; length]].concat(),
    })
}

fn kinds() -> impl Strategy<Value = Kind> {
    let device = |(major, minor)| Device { major, minor };
    prop_oneof![
        3 => Just(Kind::empty_directory()),
        8 => contents().prop_map(Kind::inline_file),
        1 => names().prop_map(|target| Kind::Symlink(target.into())),
        1 => (0..4096_u32, 0..1_048_576_u32).prop_map(device).prop_map(Kind::BlockDevice),
        1 => (0..4096_u32, 0..1_048_576_u32).prop_map(device).prop_map(Kind::CharacterDevice),
        1 => Just(Kind::Fifo),
        1 => Just(Kind::Socket),
    ]
}

fn xattrs() -> impl Strategy<Value = Vec<Xattr>> {
    let prefix = prop_oneof![Just("user."), Just("trusted."), Just("security.")];
    let xattr =
        (prefix, "[a-z]{1,9}", 0..4_u64, 0..400_usize).prop_map(|(prefix, name, seed, length)| {
            Xattr {
                name: format!("{prefix}{name}").into_bytes().into(),
                value: noise(seed, length).into(),
            }
        });
    let some = proptest::collection::vec(xattr, 1..4).prop_map(|mut xattrs| {
        xattrs.sort_unstable();
        xattrs.dedup_by(|left, right| left.name == right.name);
        xattrs
    });
    prop_oneof![4 => Just(Vec::new()), 1 => some]
}

pub fn specs() -> impl Strategy<Value = Spec> {
    let metadata = (0..4096_u16, any::<u32>(), any::<u32>(), any::<u32>()).prop_map(
        |(permissions, uid, gid, seconds)| Metadata {
            permissions,
            // -1 is no owner.
            uid: uid.min(u32::MAX - 1),
            gid: gid.min(u32::MAX - 1),
            modified_seconds: i64::from(seconds),
        },
    );
    let link = proptest::option::weighted(0.2, (any::<usize>(), names()));
    (any::<usize>(), names(), metadata, kinds(), xattrs(), link).prop_map(
        |(parent, name, metadata, kind, xattrs, link)| Spec {
            parent,
            name,
            metadata,
            kind,
            xattrs,
            link,
        },
    )
}

/// Names that are there already are left out.
pub fn grow(specs: Vec<Spec>) -> Tree {
    let mut tree = new_tree();
    let mut directories = vec![Tree::ROOT];
    for spec in specs {
        let parent = directories[spec.parent % directories.len()];
        let is_directory = matches!(spec.kind, Kind::Directory(_));
        // The kernel hands out `user.` attributes of files and directories only (`xattr(7)`).
        let has_user = is_directory || matches!(spec.kind, Kind::File { .. });
        let mut xattrs = spec.xattrs;
        xattrs.retain(|xattr| has_user || !xattr.name.starts_with(b"user."));
        let xattrs = xattrs.into();
        let Ok(id) = tree.add(parent, &spec.name, spec.metadata, spec.kind, xattrs) else {
            continue;
        };
        if is_directory {
            directories.push(id);
        } else if let Some((other, name)) = spec.link {
            let _ = tree.link(directories[other % directories.len()], &name, id);
        }
    }
    tree
}
