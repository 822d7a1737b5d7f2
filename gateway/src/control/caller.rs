//! Who is at the other end of the socket, and may they give commands?
//!
//! The kernel says who connected; nothing that the peer says counts. Root may, the service's own user may, and members
//! of the group: by the effective group of the process, or by the user's groups in the system's database.

use std::{ffi::CString, fmt};

use nix::unistd::{Gid, Group, Uid, User, geteuid, getgrouplist};
use tokio::net::UnixStream;

/// Who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Caller {
    user: Option<String>,
    uid: u32,
    pid: Option<i32>,
}

impl Caller {
    /// Who connected, if they may give commands.
    ///
    /// # Errors
    /// Who it is that may not.
    pub(super) fn of(stream: &UnixStream, group: &str) -> Result<Self, Self> {
        let nobody = Self { user: None, uid: u32::MAX, pid: None };
        let Ok(peer) = stream.peer_cred() else { return Err(nobody) };
        let uid = Uid::from_raw(peer.uid());
        let user = User::from_uid(uid).ok().flatten();
        let name = user.as_ref().map(|one| one.name.clone());
        let caller = Self { user: name, uid: peer.uid(), pid: peer.pid() };
        let own = uid.is_root() || uid == geteuid();
        if own || is_member(user.as_ref(), Gid::from_raw(peer.gid()), group) { Ok(caller) } else { Err(caller) }
    }
}

/// No group of that name: nobody is a member.
fn is_member(user: Option<&User>, effective: Gid, group: &str) -> bool {
    let Ok(Some(group)) = Group::from_name(group) else { return false };
    if effective == group.gid {
        return true;
    }
    let Some(user) = user else { return false };
    let groups = CString::new(user.name.as_str()).ok().and_then(|name| getgrouplist(&name, user.gid).ok());
    groups.is_some_and(|groups| groups.contains(&group.gid))
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (uid {}", self.user.as_deref().unwrap_or("an unknown user"), self.uid)?;
        match self.pid {
            Some(pid) => write!(f, ", pid {pid})"),
            None => f.write_str(")"),
        }
    }
}
