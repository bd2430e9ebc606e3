// Package scrape fetches metrics from targets with Prometheus' own scraping and
// service discovery, configured by Prometheus' own scrape_config. Which kinds
// of discovery exist is decided by who links them: cmd imports Prometheus'
// plugins, build tags choose among them.
package scrape
