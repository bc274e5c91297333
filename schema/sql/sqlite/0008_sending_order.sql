-- The order in which what is due is sent, so that taking the next few of a long queue does not sort all of it.

CREATE INDEX outbox_order ON outbox (mailbox, attempts, id) WHERE state = 'pending';
