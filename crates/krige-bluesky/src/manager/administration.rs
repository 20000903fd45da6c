//! The manager's own settings, and its end.

use serde_json::{Map, Value, json};

use super::method::Method;
use super::{ReManager, Result};

impl ReManager {
    /// The settings of the manager.
    ///
    /// # Errors
    /// See [`ManagerError`](super::ManagerError).
    pub fn config_get(&self) -> Result<Map<String, Value>> {
        self.field(Method::ConfigGet, json!({}), "config")
    }

    /// The permissions of the user groups, as in `user_group_permissions.yaml`.
    ///
    /// # Errors
    /// See [`ManagerError`](super::ManagerError).
    pub fn permissions_get(&self) -> Result<Map<String, Value>> {
        self.field(Method::PermissionsGet, json!({}), "user_group_permissions")
    }

    /// Replaces the permissions of the user groups, until they are reloaded.
    ///
    /// # Errors
    /// See [`ManagerError`](super::ManagerError).
    pub fn permissions_set(&self, permissions: &Map<String, Value>) -> Result<()> {
        self.tell(Method::PermissionsSet, json!({"user_group_permissions": permissions}))
    }

    /// Reads the permissions from the disk again; also the lists of plans and devices if `restore_plans_devices`.
    ///
    /// # Errors
    /// See [`ManagerError`](super::ManagerError).
    pub fn permissions_reload(&self, restore_plans_devices: bool) -> Result<()> {
        let params = json!({"restore_plans_devices": restore_plans_devices});
        self.tell(Method::PermissionsReload, params)
    }

    /// Ends the manager, which does not start again. Unless `even_if_busy` it must be idle; else a running plan is
    /// lost.
    ///
    /// # Errors
    /// See [`ManagerError`](super::ManagerError).
    pub fn manager_stop(&self, even_if_busy: bool) -> Result<()> {
        let option = if even_if_busy { "safe_off" } else { "safe_on" };
        self.tell(Method::ManagerStop, json!({"option": option}))
    }

    /// Makes the manager hang, for tests of what then happens. Its watchdog starts another after some 5 s; the
    /// running plan goes on.
    ///
    /// # Errors
    /// Always: there is no reply.
    pub fn manager_kill(&self) -> Result<()> {
        self.tell(Method::ManagerKill, json!({}))
    }
}
