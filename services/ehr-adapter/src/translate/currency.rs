//! How finely a currency is divided: an amount that is finer cannot be invoiced.

/// Currencies of ISO 4217 that are not divided into hundredths.
const NOT_HUNDREDTHS: [(u32, &[&str]); 3] = [
    (
        0,
        &[
            "BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND", "VUV",
            "XAF", "XOF", "XPF",
        ],
    ),
    (3, &["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"]),
    (4, &["CLF", "UYW"]),
];

/// Digits behind the point of amounts in a currency.
pub(super) fn decimals(currency: &str) -> u32 {
    let known = NOT_HUNDREDTHS.iter().find(|(_, codes)| codes.contains(&currency));
    known.map_or(2, |(decimals, _)| *decimals)
}
