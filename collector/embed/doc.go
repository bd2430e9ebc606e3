// Package embed runs receivers of OpenTelemetry's collector inside this
// process: their factories, configured from YAML as in the collector, with our
// own consumers behind them and as little of the collector around them as they
// ask for. Their logs go to slog; they trace and measure nothing.
package embed
