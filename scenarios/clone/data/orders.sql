-- A small shop: keys, both kinds of sequences, jsonb, an extension's type, a table without a primary
-- key, a view, a function and a large object. Loaded into the database `orders`.
CREATE EXTENSION IF NOT EXISTS citext;

CREATE TABLE customers (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    email citext NOT NULL UNIQUE,
    since date NOT NULL
);

CREATE TABLE orders (
    id serial PRIMARY KEY,
    customer bigint NOT NULL REFERENCES customers,
    state text NOT NULL CHECK (state IN ('open', 'paid', 'sent')),
    details jsonb NOT NULL DEFAULT '{}',
    total numeric(10, 2) NOT NULL,
    placed timestamptz NOT NULL
);

CREATE INDEX orders_by_customer ON orders (customer, placed DESC);

CREATE TABLE order_lines (
    order_id integer NOT NULL REFERENCES orders ON DELETE CASCADE,
    line smallint NOT NULL,
    article text NOT NULL,
    pieces integer NOT NULL,
    PRIMARY KEY (order_id, line)
);

-- Without a primary key, and with rows that are there twice.
CREATE TABLE events (at timestamptz NOT NULL, what text, payload bytea);

CREATE VIEW open_orders AS SELECT * FROM orders WHERE state = 'open';

CREATE FUNCTION order_total(wanted integer) RETURNS numeric
    LANGUAGE sql STABLE AS 'SELECT total FROM orders WHERE id = wanted';

INSERT INTO customers (email, since)
SELECT 'Customer' || n || '@example.com', DATE '2020-01-01' + n FROM generate_series(1, 200) AS n;

INSERT INTO orders (customer, state, details, total, placed)
SELECT 1 + n % 200,
       (ARRAY['open', 'paid', 'sent'])[1 + n % 3],
       jsonb_build_object('channel', CASE WHEN n % 2 = 0 THEN 'web' ELSE 'shop' END, 'note', repeat('ä', n % 7)),
       (n * 37 % 10000) / 100.0,
       TIMESTAMPTZ '2024-01-01 00:00:00+00' + n * INTERVAL '17 minutes'
FROM generate_series(1, 2000) AS n;

INSERT INTO order_lines (order_id, line, article, pieces)
SELECT o.id, line, 'article-' || (o.id * line) % 97, 1 + (o.id + line) % 5
FROM orders AS o, generate_series(1, 2) AS line;

INSERT INTO events (at, what, payload)
SELECT TIMESTAMPTZ '2024-01-01 00:00:00+00' + (n / 2) * INTERVAL '1 hour',
       CASE WHEN n % 5 < 2 THEN NULL ELSE 'seen' END,
       decode(lpad(to_hex(n / 2), 8, '0'), 'hex')
FROM generate_series(0, 499) AS n;

SELECT lo_from_bytea(424242, decode(repeat('c0ffee', 4000), 'hex'));

GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO orders;
