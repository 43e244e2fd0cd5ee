-- Each kind of work is claimed by itself: one that this host has no room for must not be read to find the other.
drop index work_free;
create index work_free on work (kind, priority, due_at) where claimed_by is null and not parked;
