-- Work that goes on after the base backup: only the archived WAL holds it.
INSERT INTO customers (email, since) VALUES ('after@backup.example', DATE '2025-05-05');

UPDATE orders SET state = 'sent', details = details || '{"carrier": "bike"}' WHERE state = 'paid' AND id <= 300;

DELETE FROM order_lines WHERE order_id % 100 = 0 AND line = 2;

ALTER TABLE events ADD COLUMN source text DEFAULT 'import';

SELECT nextval('orders_id_seq') FROM generate_series(1, 10);

SELECT lo_put(424242, 100, decode('deadbeef', 'hex'));
