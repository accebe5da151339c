//! What a root says of itself.

use livestick_tree::RootFiles;

/// The programs that the kernel tries as init, in its order (`kernel_init` in `init/main.c`).
const INITS: [&str; 4] = ["/sbin/init", "/etc/init", "/bin/init", "/bin/sh"];

/// What a root says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Whether it looks like the root of a Linux system: there is `etc`, and programs.
    pub is_root: bool,
    /// The system's name, `PRETTY_NAME` of its `os-release`, on one line; `Linux` without one.
    pub title: String,
    /// The program that the kernel would start, if there is one.
    pub init: Option<&'static str>,
}

/// Looks a root over.
#[must_use]
pub fn facts(files: &dyn RootFiles) -> Facts {
    let is_there = |path| files.list(path).is_ok();
    Facts {
        is_root: is_there("etc") && (is_there("usr/bin") || is_there("bin")),
        title: title(files),
        init: INITS.into_iter().find(|init| files.is_program(init)),
    }
}

/// Whether an account can log in; `None` where that is not to be known, since the password file may
/// not be read. Without accounts, as where `etc` is left out, none can.
#[must_use]
pub fn can_log_in(files: &dyn RootFiles) -> Option<bool> {
    let accounts = match files.read("etc/passwd") {
        Ok(accounts) => String::from_utf8_lossy(&accounts).into_owned(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Some(false),
        Err(_) => return None,
    };
    let passwords = match files.read("etc/shadow") {
        Ok(passwords) => String::from_utf8_lossy(&passwords).into_owned(),
        // Before shadow passwords, the hash was in the account's own line.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => accounts.clone(),
        Err(_) => return None,
    };
    Some(accounts.lines().any(|line| opens(line, &passwords, files)))
}

fn title(files: &dyn RootFiles) -> String {
    let release = ["etc/os-release", "usr/lib/os-release"]
        .iter()
        .find_map(|path| files.read(path).ok())
        .unwrap_or_default();
    let release = String::from_utf8_lossy(&release);
    let value = release
        .lines()
        .find_map(|line| line.strip_prefix("PRETTY_NAME="))
        .map(|value| value.trim().trim_matches(['"', '\'']));
    let clean = |value: &str| {
        value
            .chars()
            .filter(|c| !c.is_control())
            .collect::<String>()
    };
    value
        .map(clean)
        .filter(|v| !v.is_empty())
        .unwrap_or_else(|| "Linux".to_owned())
}

/// Whether a line of `etc/passwd` lets somebody in.
fn opens(account: &str, passwords: &str, files: &dyn RootFiles) -> bool {
    let fields: Vec<_> = account.split(':').collect();
    let [name, _, _, _, _, home, shell] = fields[..] else {
        return false;
    };
    let has_shell = !shell.ends_with("/nologin") && !shell.ends_with("/false");
    let mut passwords = passwords.lines().map(|line| line.split(':'));
    let password =
        passwords.find_map(|mut fields| (fields.next() == Some(name)).then(|| fields.next())?);
    let has_password = password.is_some_and(|hash| !hash.starts_with(['!', '*']));
    has_shell && (has_password || has_key(files, home))
}

fn has_key(files: &dyn RootFiles, home: &str) -> bool {
    let keys = files.read(&format!("{home}/.ssh/authorized_keys"));
    keys.is_ok_and(|keys| !keys.trim_ascii().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use livestick_tree::RootDirectory;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn root(passwd: &str, shadow: &str) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for directory in ["etc", "usr/bin", "usr/lib/systemd", "usr/sbin"] {
            fs::create_dir_all(root.path().join(directory)).unwrap();
        }
        fs::write(root.path().join("etc/passwd"), passwd).unwrap();
        fs::write(root.path().join("etc/shadow"), shadow).unwrap();
        root
    }

    fn facts_of(root: &tempfile::TempDir) -> Facts {
        facts(&RootDirectory::open(root.path()).unwrap())
    }

    fn logs_in(root: &tempfile::TempDir) -> Option<bool> {
        can_log_in(&RootDirectory::open(root.path()).unwrap())
    }

    #[test]
    fn a_login_takes_a_shell_and_a_password_or_a_key() {
        let locked = "root:*:1::::::\nme:!:1::::::\nmail:$y$x:1::::::\n";
        let passwd = "root:x:0:0:root:/root:/bin/bash\nme:x:1000:1000::/home/me:/bin/sh\n\
            mail:x:8:8::/var/mail:/usr/sbin/nologin\n";
        let with = |shadow: &str| logs_in(&root(passwd, shadow));
        assert_eq!(with(locked), Some(false));
        assert_eq!(with("root::1::::::\n"), Some(true));
        assert_eq!(with("me:$y$x:1::::::\n"), Some(true));

        let with_key = root(passwd, locked);
        fs::create_dir_all(with_key.path().join("home/me/.ssh")).unwrap();
        fs::write(
            with_key.path().join("home/me/.ssh/authorized_keys"),
            "ssh-ed25519 A",
        )
        .unwrap();
        assert_eq!(logs_in(&with_key), Some(true));
    }

    #[test]
    fn where_there_are_no_accounts_none_can_log_in() {
        let root = root("root::0:0:root:/root:/bin/sh\n", "");
        fs::remove_file(root.path().join("etc/shadow")).unwrap();
        assert_eq!(
            logs_in(&root),
            Some(true),
            "the hash is in the account's line"
        );
        fs::remove_file(root.path().join("etc/passwd")).unwrap();
        assert_eq!(logs_in(&root), Some(false));
        fs::create_dir(root.path().join("etc/passwd")).unwrap();
        assert_eq!(logs_in(&root), None, "it is there, but not to be read");
    }

    #[test]
    fn init_is_found_through_an_absolute_link_and_must_be_a_program() {
        let root = root("", "");
        assert_eq!(facts_of(&root).init, None);
        let program = root.path().join("usr/lib/systemd/systemd");
        fs::write(&program, "").unwrap();
        symlink("usr/sbin", root.path().join("sbin")).unwrap();
        symlink(
            "/usr/lib/systemd/systemd",
            root.path().join("usr/sbin/init"),
        )
        .unwrap();
        assert_eq!(facts_of(&root).init, None);
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(facts_of(&root).init, Some("/sbin/init"));
    }

    #[test]
    fn the_title_is_one_clean_line() {
        let root = root("", "");
        assert_eq!(facts_of(&root).title, "Linux");
        fs::write(
            root.path().join("etc/os-release"),
            "ID=x\nPRETTY_NAME=\"A\tB 1\"\n",
        )
        .unwrap();
        assert_eq!(facts_of(&root).title, "AB 1");
        assert!(facts_of(&root).is_root);
    }

    #[test]
    fn any_directory_is_not_a_root() {
        let directory = tempfile::tempdir().unwrap();
        assert!(!facts_of(&directory).is_root);
    }
}
