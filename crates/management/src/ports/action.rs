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

impl AuditAction {
    /// Returns whether a caller asks for the action and can gain access by it, or change what operators set. An action that
    /// takes access away alone is none of them: it is carried out also if the caller's own access is part of it.
    #[must_use]
    pub const fn grants(self) -> bool {
        match self {
            Self::KeyCreate
            | Self::KeyImport
            | Self::KeyRotate
            | Self::KeyUpdate
            | Self::ProfileApply
            | Self::ProfileDelete
            | Self::ProfileDeleteSecret
            | Self::ProfileRollback
            | Self::ProfileSetSecret
            | Self::SigningKeyRotate
            | Self::TenantCreate
            | Self::TenantDelete
            | Self::TenantResume
            | Self::TenantUpdate
            | Self::UserCreate
            | Self::UserSetPassword
            | Self::UserUpdate => true,
            Self::DatabaseHistoryLost
            | Self::KeyDelete
            | Self::KeyDisableAgain
            | Self::KeyFound
            | Self::KeyRevoke
            | Self::KeyRevokeAgain
            | Self::KeysDisable
            | Self::KeysRevoke
            | Self::MasterKeyRewrap
            | Self::ProfileReapply
            | Self::SigningKeyCreate
            | Self::SigningKeyWithdraw
            | Self::SigningKeyWithdrawAgain
            | Self::TenantErase
            | Self::TenantSuspend
            | Self::TenantSuspendAgain
            | Self::TokenIssue
            | Self::TokenRefresh
            | Self::TokenReuse
            | Self::TokenRevoke
            | Self::TokenRevokeAgain
            | Self::UserDelete
            | Self::UserDisable
            | Self::UserDisableAgain
            | Self::UserLock => false,
        }
    }
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
