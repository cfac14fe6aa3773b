//! Actions of the audit log.

/// Defines [`AuditAction`] from the names of its variants and the texts of the log.
macro_rules! actions {
    ($($variant:ident $text:literal)+) => {
        /// An action that is written to the audit log. A database can have others of earlier versions.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[expect(missing_docs, reason = "each is named like its text")]
        pub enum AuditAction {
            $($variant,)+
        }

        impl AuditAction {
            /// Texts of all actions, sorted.
            pub const TEXTS: &[&str] = &[$($text,)+];

            /// Returns the text that the log has, such as `key.revoke`.
            #[must_use]
            pub const fn text(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)+
                }
            }
        }
    };
}

actions! {
    DatabaseHistoryLost "database.history_lost"
    KeyCreate "key.create"
    KeyDelete "key.delete"
    KeyDisableAgain "key.disable_again"
    KeyFound "key.found"
    KeyImport "key.import"
    KeyRevoke "key.revoke"
    KeyRevokeAgain "key.revoke_again"
    KeyRotate "key.rotate"
    KeyUpdate "key.update"
    KeysDisable "keys.disable"
    KeysRevoke "keys.revoke"
    MasterKeyRewrap "master_key.rewrap"
    ProfileApply "profile.apply"
    ProfileDelete "profile.delete"
    ProfileDeleteSecret "profile.delete_secret"
    ProfileReapply "profile.reapply"
    ProfileRollback "profile.rollback"
    ProfileSetSecret "profile.set_secret"
    SigningKeyCreate "signing_key.create"
    SigningKeyRotate "signing_key.rotate"
    SigningKeyWithdraw "signing_key.withdraw"
    SigningKeyWithdrawAgain "signing_key.withdraw_again"
    TenantCreate "tenant.create"
    TenantDelete "tenant.delete"
    TenantErase "tenant.erase"
    TenantResume "tenant.resume"
    TenantSuspend "tenant.suspend"
    TenantSuspendAgain "tenant.suspend_again"
    TenantUpdate "tenant.update"
    TokenIssue "token.issue"
    TokenRefresh "token.refresh"
    TokenReuse "token.reuse"
    TokenRevoke "token.revoke"
    TokenRevokeAgain "token.revoke_again"
    UserCreate "user.create"
    UserDelete "user.delete"
    UserDisable "user.disable"
    UserDisableAgain "user.disable_again"
    UserLock "user.lock"
    UserSetPassword "user.set_password"
    UserUpdate "user.update"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_texts_are_sorted_and_different() {
        assert!(AuditAction::TEXTS.is_sorted_by(|one, next| one < next));
        assert_eq!(AuditAction::KeyRevoke.text(), "key.revoke");
    }
}
