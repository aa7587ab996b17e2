-- The Python environment of a class's programs. A null is the plain one.

alter table class add column environment text;
