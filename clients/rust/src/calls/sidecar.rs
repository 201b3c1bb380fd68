//! The sidecar itself.

use prost_types::FieldMask;

use super::given;
use crate::client::Client;
use crate::connection::{DEADLINE, answer};
use crate::error::Result;
use crate::v1::{
    GetSettingsRequest, GetStatusRequest, Settings, ShutdownRequest, Status, UpdateSettingsRequest,
};

impl Client {
    /// What is in effect; a rate limit that is unset is unlimited.
    pub async fn get_settings(&self) -> Result<Settings> {
        let request = GetSettingsRequest {};
        let answer = answer(DEADLINE, self.stub().get_settings(request)).await?;
        given(answer.settings)
    }

    /// Changes the settings with these names for good, unset ones back to the default; all that
    /// is in effect then. Without names, those that are set change.
    pub async fn update_settings(&self, settings: Settings, names: &[&str]) -> Result<Settings> {
        let paths = names.iter().map(|&name| name.to_owned()).collect();
        let request = UpdateSettingsRequest {
            settings: Some(settings),
            update_mask: Some(FieldMask { paths }),
        };
        let answer = answer(DEADLINE, self.stub().update_settings(request)).await?;
        given(answer.settings)
    }

    /// About the sidecar itself.
    pub async fn get_status(&self) -> Result<Status> {
        let request = GetStatusRequest {};
        let answer = answer(DEADLINE, self.stub().get_status(request)).await?;
        given(answer.status)
    }

    /// Tells the sidecar to end; it does so after it answered.
    pub async fn shutdown(&self) -> Result<()> {
        answer(DEADLINE, self.stub().shutdown(ShutdownRequest {})).await?;
        Ok(())
    }
}
