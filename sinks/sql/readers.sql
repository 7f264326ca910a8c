-- Logins that may read and nothing else.

-- [state] Whether the group is there, the role is there, and the role is in the group.
SELECT
    EXISTS (SELECT FROM pg_roles WHERE rolname = 'onehertz_read') AS has_group,
    EXISTS (SELECT FROM pg_roles WHERE rolname = %(name)s) AS has_role,
    EXISTS (
        SELECT FROM pg_auth_members AS m
        JOIN pg_roles AS grp ON grp.oid = m.roleid
        JOIN pg_roles AS member ON member.oid = m.member
        WHERE grp.rolname = 'onehertz_read' AND member.rolname = %(name)s
    ) AS is_reader;

-- [statements] What makes a role a reader; statements that take no parameters, spelled out.
SELECT statement
FROM unnest(ARRAY[
    CASE WHEN %(is_new)s::boolean THEN format('CREATE ROLE %%I LOGIN IN ROLE onehertz_read', %(name)s::text) END,
    format('ALTER ROLE %%I LOGIN PASSWORD %%L', %(name)s::text, %(secret)s::text),
    format('ALTER ROLE %%I SET default_transaction_read_only TO on', %(name)s::text),
    format('ALTER ROLE %%I SET statement_timeout TO %%L', %(name)s::text, '60s')
]) AS statement
WHERE statement IS NOT NULL;
