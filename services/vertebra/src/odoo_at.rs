//! Where Odoo is, by the same names as the services' settings.

use backbone::settings::ServiceUrl;
use clap::Args;
use std::path::PathBuf;

#[derive(Args, Debug)]
#[command(next_help_heading = "Odoo")]
pub(crate) struct OdooPlace {
    /// Odoo's address
    #[arg(long, env = "VERTEBRA_ODOO_URL", value_name = "URL", hide_env_values = true)]
    odoo_url: Option<String>,
    /// Name of Odoo's database
    #[arg(long, env = "VERTEBRA_ODOO_DATABASE", value_name = "NAME")]
    odoo_database: Option<String>,
    /// File with an API key of a user that may read invoices
    #[arg(long, env = "VERTEBRA_ODOO_API_KEY_FILE", value_name = "FILE")]
    odoo_api_key_file: Option<PathBuf>,
}

impl OdooPlace {
    /// The settings; nothing when no address is named. Or what is wrong with them.
    pub(crate) fn settings(&self) -> Result<Option<odoo::Settings>, String> {
        let Some(url) = &self.odoo_url else { return Ok(None) };
        let url = ServiceUrl::parse(url, &["http", "https"])
            .map_err(|wrong| format!("--odoo-url is not {}", wrong.expects))?;
        let (Some(database), Some(file)) = (&self.odoo_database, &self.odoo_api_key_file) else {
            return Err("--odoo-url needs --odoo-database and --odoo-api-key-file".to_owned());
        };
        let key = std::fs::read_to_string(file)
            .map_err(|error| format!("--odoo-api-key-file cannot be read: {error}"))?;
        Ok(Some(odoo::Settings::new(url.reveal().as_str(), database, odoo::Secret::new(&key))))
    }
}
