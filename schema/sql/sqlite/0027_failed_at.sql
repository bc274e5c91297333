-- When a cycle or a test of the operation last failed, whether it works again or not. NULL: it never has since this column is there.
ALTER TABLE operations ADD COLUMN failed_at INTEGER;
