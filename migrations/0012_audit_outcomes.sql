-- What failed or was held back is looked for by its outcome, and is little of the audit: most rows have no entry here, and cost
-- nothing more.
create index audit_events_outcome on audit_events (outcome, xid, seq) where outcome in ('failure', 'suppressed');
