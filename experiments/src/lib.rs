//! CDN against P2P-assisted livestreaming, measured: scenarios, runs, reports.
