-- How often a person has had a message sent: copies of it in Sent Items are told apart by it.
ALTER TABLE outbox ADD COLUMN round INTEGER NOT NULL DEFAULT 1 CHECK (round >= 1);
