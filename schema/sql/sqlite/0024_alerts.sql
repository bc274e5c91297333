-- Alerts go when they are old enough, unless what they tell of stands.

-- Troubles of whole profiles that an alert was raised for, and that stand: each is told once.
CREATE TABLE troubles (
    profile TEXT NOT NULL,
    -- profile-halted or mass-failure, as the alert's code says.
    trouble TEXT NOT NULL,
    PRIMARY KEY (profile, trouble)
) STRICT, WITHOUT ROWID;

CREATE INDEX alerts_at ON alerts (at, id);
CREATE INDEX alerts_mailbox ON alerts (alert ->> 'mailbox', id);
