// Package notify tells people: one Alertmanager per tenant, in process, made
// of Alertmanager's own packages (routing, grouping, inhibition, silences,
// notification log, receivers) and read from its own configuration. Rooms that
// know alerts put them in; amtool and every other Alertmanager client works on
// its API.
package notify
