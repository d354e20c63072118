-- The full sync whose deletions the deletion guard has stopped and an operator has allowed.
ALTER TABLE connections ADD COLUMN allowed_deletions uuid;
