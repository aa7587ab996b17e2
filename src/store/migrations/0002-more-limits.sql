-- Limits that a class may set for itself, beside those of 0001. A null is the server's setting.

alter table class add column limit_output bigint;
alter table class add column limit_workspace bigint;
alter table class add column limit_workspace_files bigint;
