-- People, their sessions, classes and who is in them.
--
-- Ids are given by the program (the highest so far and one more) and rows of account and class are never deleted, so that
-- no number, and no user number made of it, ever means two people. Times are milliseconds since 1970, booleans 0 and 1.

create table account (
        id bigint not null primary key check (id between 1 and 60000),
        name text not null,
        name_key text not null unique,
        folder text not null unique,
        role text not null check (role in ('student', 'teacher', 'administrator')),
        password text not null,
        enabled integer not null default 1 check (enabled in (0, 1)),
        created bigint not null
);

create table session (
        digest text not null primary key,
        account bigint not null references account (id),
        created bigint not null,
        seen bigint not null
);
create index session_account on session (account);
create index session_seen on session (seen);

create table class (
        id bigint not null primary key check (id between 1 and 800),
        slug text not null unique,
        title text not null,
        created bigint not null,
        -- A null is the server's setting of the same name.
        limit_cpu bigint,
        limit_memory bigint,
        limit_processes bigint,
        limit_file bigint,
        limit_open_files bigint,
        limit_idle bigint,
        limit_runs bigint,
        limit_cpu_weight bigint,
        repl_after bigint
);

create table enrolment (
        class bigint not null references class (id),
        account bigint not null references account (id),
        primary key (class, account)
);
create index enrolment_account on enrolment (account);
