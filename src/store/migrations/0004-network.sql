-- The hosts that a class's programs may reach, as a list. A null: none.

alter table class add column network text;
